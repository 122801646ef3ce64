"""Every error as problem details (RFC 9457), with the id of the request and nothing of the database's own text."""

import logging
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from asyncpg import InternalClientError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException

from app.database.errors import (
    BUSY,
    INTERNAL,
    STALE,
    UNAVAILABLE,
    DatabaseUnavailableError,
    Failure,
    RuleError,
    failure_of,
    sqlstate,
)
from app.database.guards import SwallowedDatabaseError
from app.queries import BadCursorError

logger = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong: `code` for programs, `detail` for people, `fields` where a field is to blame."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    fields: list[str] = []
    request_id: str


PROBLEM_RESPONSE: dict[str, Any] = {
    "description": "What went wrong",
    "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
}
FAILURES: dict[type[Exception], Failure] = {
    BadCursorError: Failure(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_cursor", "No list gave it out.", ("cursor",)),
    DatabaseUnavailableError: UNAVAILABLE,
    InternalClientError: UNAVAILABLE,  # asyncpg's, of a connection that was just being closed by the server
    PoolTimeoutError: BUSY,
    StaleDataError: STALE,
    TimeoutError: UNAVAILABLE,
    Exception: INTERNAL,  # the server logs its traceback
}


def attach_problems(app: FastAPI) -> None:
    """Answer every error, expected or not, with a problem."""
    for expected, failure in FAILURES.items():
        app.add_exception_handler(expected, partial(_known, failure))

    @app.exception_handler(DBAPIError)
    async def database_error(request: Request, error: DBAPIError) -> JSONResponse:
        failure = failure_of(error)
        if failure is INTERNAL:
            logger.error("a database error that no client can cause", exc_info=error)
        elif failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.warning("%s, SQLSTATE %s: %s", failure.code, sqlstate(error) or "none", error.statement)
        return _answer(request, failure)

    @app.exception_handler(SwallowedDatabaseError)
    async def swallowed_error(request: Request, error: SwallowedDatabaseError) -> JSONResponse:
        logger.error("a mistake in this route", exc_info=error)
        return _answer(request, INTERNAL)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        return _answer(request, Failure(status, status.name.lower(), str(error.detail)), error.headers)

    @app.exception_handler(RuleError)
    async def rule_error(request: Request, error: RuleError) -> JSONResponse:
        return _answer(request, Failure(HTTPStatus.UNPROCESSABLE_ENTITY, "rule", error.detail, (error.field,)))

    @app.exception_handler(RequestValidationError)
    async def validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        # Pydantic's own sentences, without the values they are about.
        errors = [(_field(item), item["msg"]) for item in error.errors()[:20]]
        detail = "; ".join(f"{field}: {message}" for field, message in errors)
        fields = tuple(dict.fromkeys(field for field, _ in errors))
        return _answer(request, Failure(HTTPStatus.UNPROCESSABLE_ENTITY, "validation", detail, fields))


def _field(item: dict[str, Any]) -> str:
    """Return the path of a field: `category_ids.0`; `body` for one that cannot be read at all."""
    where = item["loc"][:1] if item["type"] == "json_invalid" else item["loc"][1:] or item["loc"]
    return ".".join(map(str, where))


async def _known(failure: Failure, request: Request, error: Exception) -> JSONResponse:
    if failure.status is HTTPStatus.SERVICE_UNAVAILABLE:
        logger.warning("%s: %r", failure.code, error.__cause__ or error)
    return _answer(request, failure)


def _answer(request: Request, failure: Failure, headers: Mapping[str, str] | None = None) -> JSONResponse:
    request_id = request.state.request_id
    problem = Problem(
        title=failure.status.phrase,
        status=failure.status,
        detail=failure.detail,
        code=failure.code,
        fields=list(failure.fields),
        request_id=request_id,
    )
    sent = {"X-Request-ID": request_id, **(headers or {})}
    if failure.status is HTTPStatus.SERVICE_UNAVAILABLE:
        sent["Retry-After"] = "1"
    return JSONResponse(problem.model_dump(), failure.status, sent, "application/problem+json")
