"""Logs that say to which request a line belongs."""

import logging.config
from contextvars import ContextVar

from starlette.types import Scope

current_request: ContextVar[Scope | None] = ContextVar("current_request", default=None)


class RequestFilter(logging.Filter):
    """Adds the request's id and its route to every record; a dash outside of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        scope = current_request.get()
        record.request_id = scope["state"]["request_id"] if scope else "-"
        record.route = route_of(scope) if scope else "-"
        return True


def route_of(scope: Scope) -> str:
    """Return method and path template, as in `GET /products/{product_id}`: no ids, so that lines can be grouped."""
    route = scope.get("route")
    return f"{scope['method']} {route.path if route else '(no route)'}"


def configure_logs(level: str) -> None:
    """Send every log to standard error, one line an event."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"request": {"()": RequestFilter}},
            "formatters": {
                "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s %(route)s] %(message)s"}
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request"]},
            },
            "root": {"level": level, "handlers": ["stderr"]},
            # The request log below has the route, the status and the time; one line a request is enough.
            "loggers": {"uvicorn.access": {"level": "WARNING"}},
        }
    )
