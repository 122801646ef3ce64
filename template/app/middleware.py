"""What surrounds every request. Pure ASGI: one BaseHTTPMiddleware would cost more than the route itself."""

import logging
import re
import time
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.logs import current_request

logger = logging.getLogger("app.requests")

ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestLog:
    """Gives each request an id, taken from `X-Request-ID` where the proxy sends a sane one, and logs how it ended."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = scope.setdefault("state", {})["request_id"] = _request_id(scope)
        started, status = time.perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        token = current_request.set(scope)
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            logger.info("%d in %.1f ms", status, (time.perf_counter() - started) * 1000)
            current_request.reset(token)


def _request_id(scope: Scope) -> str:
    sent = dict(scope["headers"]).get(b"x-request-id", b"")
    return sent.decode() if ACCEPTED_ID.fullmatch(sent) else uuid.uuid4().hex
