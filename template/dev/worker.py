"""A worker: the process that serves while `dev` watches the code; each reload starts a new one."""

import os
import signal
import threading
from multiprocessing.process import BaseProcess, parent_process


def follow_parent() -> None:
    """In a worker, leave it to `dev` when to end; elsewhere do nothing."""
    if parent := parent_process():
        # Ctrl-C in a terminal comes to us too. Until uvicorn handles it, it would only print a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    """A parent that was killed can stop no one, and the port would stay taken."""
    parent.join()
    os._exit(1)
