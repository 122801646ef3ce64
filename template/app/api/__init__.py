"""HTTP, one file a table; a new file with a `router` is served. Here: what they share, above all a row's `ETag`."""

from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Header, HTTPException, Response, status
from sqlalchemy.orm.exc import StaleDataError

from app.database.base import Base

Row = TypeVar("Row", bound=Base)


def found(row: Row | None) -> Row:
    """Return the row, or answer 404."""
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no row with this id.")
    return row


def with_etag(response: Response, row: Row) -> Row:
    """Tell the client the version of the row that it gets, and return the row."""
    response.headers["ETag"] = f'"{row.version}"'
    return row


@dataclass(frozen=True)
class Precondition:
    """What a client says of the version it knows."""

    if_match: str | None

    def check(self, row: Row) -> Row:
        """Return the row, or answer 412 when the client knows another version; without `If-Match` any will do."""
        known = ["*"] if self.if_match is None else [tag.strip() for tag in self.if_match.split(",")]
        if not {"*", f'"{row.version}"'} & set(known):
            raise StaleDataError
        return row


# Coroutines, although nothing is awaited: FastAPI runs plain functions in a thread, which costs more than they do.
async def optional_match(if_match: Annotated[str | None, Header()] = None) -> Precondition:
    """Take the version from `If-Match`, if there is one."""
    return Precondition(if_match)


async def required_match(given: Annotated[Precondition, Depends(optional_match)]) -> Precondition:
    """Answer 428 when the client does not say which version it means to change."""
    if given.if_match is None:
        detail = 'Send the ETag you last read in If-Match, as in `If-Match: "1"`.'
        raise HTTPException(status.HTTP_428_PRECONDITION_REQUIRED, detail)
    return given


OptionalMatch = Annotated[Precondition, Depends(optional_match)]
RequiredMatch = Annotated[Precondition, Depends(required_match)]
