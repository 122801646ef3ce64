"""A worker: the process that serves while `dev` watches the code; each reload starts a new one."""

import os
import threading
from multiprocessing.process import BaseProcess, parent_process

from fastapi import FastAPI

from app.main import create_app as create_served_app


def create_app() -> FastAPI:
    """The app, in a process that ends with the one that started it."""
    if parent := parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    return create_served_app()


def _end_with(parent: BaseProcess) -> None:
    # A parent that was killed can stop no one, and the port would stay taken.
    parent.join()
    os._exit(1)
