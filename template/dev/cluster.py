"""The data of a server, made once by initdb, and the password of their owner `postgres`."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from dev.account import Account, give
from dev.binaries import Binaries, PostgresError

FIRST_WITH_BUILTIN_LOCALES = 17


def open_cluster(folder: Path, binaries: Binaries, account: Account, lock: int) -> str:
    """Make the data where there are none, and return the password. Raises PostgresError."""
    data = folder / "data"
    if not data.exists():
        _initialise(folder, binaries, account, lock)
    made_by = (data / "PG_VERSION").read_text().strip()
    if made_by != binaries.major:
        raise PostgresError(
            f"{data} was made by PostgreSQL {made_by}, and this is {binaries.version}: "
            f"set POSTGRES_BIN to the bin folder of PostgreSQL {made_by}, or move {folder} away to start without data."
        )
    try:
        return (folder / "password").read_text()
    except FileNotFoundError as error:
        raise PostgresError(f"{error.filename} is missing: put it back, or move {folder} away.") from error


def server_environment() -> dict[str, str]:
    """Ours, but for a valid locale, which the server insists on under macOS, and the time zone of hosted databases."""
    return {**os.environ, "LC_ALL": "C", "TZ": "UTC"}


def _initialise(folder: Path, binaries: Binaries, account: Account, lock: int) -> None:
    # Renamed when it is complete: what an interrupted initdb leaves is never taken for data.
    unfinished = folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    give(unfinished, account)
    options = [
        *(f"--pgdata={unfinished}", "--username=postgres", "--no-instructions"),
        *("--auth=scram-sha-256", f"--pwfile={_new_password(folder, account)}"),
        *("--encoding=UTF8", *_locale(binaries)),
        # Takes up to seconds on a busy disk, against a crash of the machine before the system has written them itself.
        "--no-sync",
    ]
    made = subprocess.run(
        [binaries.folder / "initdb", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=unfinished,
        env=server_environment(),
        pass_fds=[lock],
        check=False,
        **account,
    )
    if made.returncode != 0:
        raise PostgresError(f"PostgreSQL could not make its data in {folder}; correct what it names:\n{made.stdout}")
    unfinished.rename(folder / "data")


def _new_password(folder: Path, account: Account) -> Path:
    password = folder / "password"
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    give(password, account)
    password.write_text(secrets.token_urlsafe())
    return password


def _locale(binaries: Binaries) -> list[str]:
    """UTF-8 rules that come with the server; earlier only C does, where lower() knows ASCII alone."""
    builtin = int(binaries.major) >= FIRST_WITH_BUILTIN_LOCALES
    return ["--locale=C", *(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if builtin else [])]
