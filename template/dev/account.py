"""Running PostgreSQL as root: it refuses to, so root starts it as an account without rights.

No account is created, and nothing that is not ours changes its owner or mode: what that account cannot reach
is put into a folder that it can.
"""

import hashlib
import logging
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from dev.binaries import Binaries, PostgresError

# Unlike /tmp it survives a restart of the machine.
ELSEWHERE = Path("/var/tmp")
NEEDS_ANOTHER_ACCOUNT = "PostgreSQL refuses to run as root, and root has no other account to give it: run as a user."

logger = logging.getLogger(__name__)


class Account(TypedDict, total=False):
    """Arguments of `subprocess`; empty where we are not root."""

    user: int
    group: int
    extra_groups: Sequence[int]


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
