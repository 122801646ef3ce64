"""Logs: one line for each request and each slow statement, and in every line the request that it belongs to."""

import logging.config
import re
import time
import uuid
from contextvars import ContextVar
from functools import partial

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

requests = logging.getLogger("app.requests")
queries = logging.getLogger("app.queries")

current_request: ContextVar[Scope | None] = ContextVar("current_request", default=None)
LINE = "%(asctime)s %(levelname)s %(name)s [%(request_id)s %(route)s] %(message)s"
ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestFilter(logging.Filter):
    """Adds the request's id and its route to every record; a dash outside of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        scope = current_request.get()
        record.request_id = scope["state"]["request_id"] if scope else "-"
        # The path template, as in `GET /products/{product_id}`: without ids, lines can be grouped.
        record.route = f"{scope['method']} {getattr(scope.get('route'), 'path', '(no route)')}" if scope else "-"
        return True


def configure_logs(level: str) -> None:
    """Send every log to standard error, one line an event."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"request": {"()": RequestFilter}},
            "formatters": {"line": {"format": LINE}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request"]}},
            "root": {"level": level, "handlers": ["stderr"]},
            # The request log below has the route, the status and the time; one line a request is enough.
            "loggers": {"uvicorn.access": {"level": "WARNING"}},
        }
    )


class RequestLog:
    """Middleware that gives each request an id, a sane `X-Request-ID` or a new one, and logs how it ended.

    Pure ASGI: one BaseHTTPMiddleware would cost more than the route itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, partial(_send_sentence, send))
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
        except Exception:
            requests.exception("the request failed")  # here, where the line still has the request's id
            raise
        finally:
            requests.info("%d in %.1f ms", status, (time.perf_counter() - started) * 1000)
            current_request.reset(token)


async def _send_sentence(send: Send, message: Message) -> None:
    # Of a start that was refused, operators need what to do, not the traceback around it.
    if message["type"] == "lifespan.startup.failed":
        message["message"] = message["message"].rpartition("StartError: ")[2].rstrip()
    await send(message)


def _request_id(scope: Scope) -> str:
    sent = dict(scope["headers"]).get(b"x-request-id", b"")
    return sent.decode() if ACCEPTED_ID.fullmatch(sent) else uuid.uuid4().hex


def log_slow_queries(engine: AsyncEngine, threshold: float) -> None:
    """Log each statement that takes `threshold` seconds or longer, never its values."""

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def start(connection: sa.Connection, *_rest: object) -> None:
        connection.info["started"] = time.perf_counter()

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def stop(connection: sa.Connection, _cursor: object, statement: str, *_rest: object) -> None:
        seconds = time.perf_counter() - connection.info["started"]
        if seconds >= threshold:
            queries.warning("slow query: %.0f ms: %s", seconds * 1000, " ".join(statement.split()))
