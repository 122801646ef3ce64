"""A server on loopback that answers as it is told to, and counts what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


def body(content: bytes, status: int = 200, **headers: str) -> Answer:
    """Answer with this."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def keys(*listed: object) -> Answer:
    """Answer with a key set."""
    return body(json.dumps({"keys": listed}).encode())


@dataclass
class KeyServer:
    """What it answers, and what it was asked."""

    url: str = ""
    answer: Answer = field(default_factory=keys)
    asked: list[tuple[str, str]] = field(default_factory=list)
    was_asked: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    """Set at the end: whoever was to wait for ever need not."""

    @contextmanager
    def serving(self) -> Iterator["KeyServer"]:
        """Serve for as long as the block lasts, where it did before."""
        port = int(self.url.rpartition(":")[2] or 0)
        with ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, self)) as server:
            server.daemon_threads = True
            self.url = f"http://127.0.0.1:{server.server_port}"
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            yield self
            self.released.set()
            server.shutdown()

    def wait(self, _handler: BaseHTTPRequestHandler) -> None:
        """Say nothing until the end."""
        self.released.wait()

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer with a byte now and then, each sooner than a read would time out."""
        handler.send_response(200)
        handler.end_headers()
        while not self.released.wait(0.05):
            handler.wfile.write(b" ")


class Handler(BaseHTTPRequestHandler):
    """Answers as its server says."""

    def __init__(self, server: KeyServer, *arguments: Any) -> None:
        self.ours = server
        super().__init__(*arguments)

    def respond(self) -> None:
        """Count and answer."""
        self.ours.asked.append((self.command, self.path))
        self.ours.was_asked.set()
        try:
            self.ours.answer(self)
        except OSError:  # nobody listens any more
            return

    do_GET = do_POST = do_PUT = do_DELETE = respond  # noqa: N815

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""
