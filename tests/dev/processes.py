"""What the tests of `dev` ask of running processes."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil

TEMPLATE = Path(__file__).parents[2] / "template"


def wait_for(fact: Callable[[], object], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
