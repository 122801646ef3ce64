"""Requests that are cancelled when they wait for the n-th time."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from itertools import count
from typing import Any

import anyio
from starlette.types import Message

from tests.proofs.service import Service

Work = Coroutine[Any, Any, None]
Cancel = Callable[[Work, int], Coroutine[Any, Any, bool]]


class Watched:
    """Runs a coroutine, and calls back when it is about to wait for the n-th time."""

    def __init__(self, work: Work, number: int, callback: Callable[[], object]) -> None:
        self.work, self.number, self.callback = work, number, callback

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self.work.__await__()
        try:
            step = steps.send(None)
            for number in count(1):
                if number == self.number:
                    self.callback()
                try:
                    value = yield step
                except BaseException as error:  # noqa: BLE001 - a cancellation: what becomes of it is the work's affair
                    step = steps.throw(error)
                else:
                    step = steps.send(value)
        except StopIteration:
            return


async def by_asyncio(work: Work, number: int) -> bool:
    """Cancel one await, as a task is cancelled. False where the work had come to its end before."""

    async def run() -> None:
        await Watched(work, number, task.cancel)

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    return task.cancelled()


async def by_anyio(work: Work, number: int) -> bool:
    """Cancel every await from there on, as a scope does. False where the work had come to its end before."""
    with anyio.CancelScope() as scope:
        await Watched(work, number, scope.cancel)
    return scope.cancelled_caught


async def each_await(
    service: Service, cancel: Cancel, method: str, path: str, body: Callable[[int], object]
) -> AsyncIterator[tuple[int, int | None]]:
    """Cancel a request at its first await, the next one at its second … until one ends; yield each one's status."""
    for number in count(1):
        sent = list[Message]()
        cancelled = await cancel(_call(service, method, path, json.dumps(body(number)).encode(), sent), number)
        yield number, next((message["status"] for message in sent if "status" in message), None)
        if not cancelled:
            return


async def _call(service: Service, method: str, path: str, body: bytes, sent: list[Message]) -> None:
    """Call the application as its server does; `sent` gets what a client would see."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "state": {"sessions": service.sessions},
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        await asyncio.sleep(0)  # where a server waits for a slow client
        sent.append(message)

    await service.app(scope, receive, send)
