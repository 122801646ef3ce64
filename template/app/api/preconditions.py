"""Optimistic locking over HTTP (RFC 9110): the version of a row is its `ETag`, a change names it in `If-Match`."""

from typing import Annotated, TypeVar

from fastapi import Depends, Header, HTTPException, Response, status

from app.database.base import Base

Row = TypeVar("Row", bound=Base)


def found(row: Row | None) -> Row:
    """Return the row, or answer 404."""
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no row with this id.")
    return row


def set_etag(response: Response, row: Base) -> None:
    """Tell the client the version of the row it gets."""
    response.headers["ETag"] = f'"{row.version}"'


class Precondition:
    """What a client says of the version it knows."""

    def __init__(self, if_match: Annotated[str | None, Header()] = None) -> None:
        self.if_match = if_match

    def check(self, row: Base) -> None:
        """Answer 412 when the client knows another version; without `If-Match` any version will do."""
        if self.if_match is None or self.if_match.strip() == "*":
            return
        if f'"{row.version}"' not in [tag.strip() for tag in self.if_match.split(",")]:
            raise HTTPException(status.HTTP_412_PRECONDITION_FAILED, "The row has changed since; read it again.")


def required(given: Annotated[Precondition, Depends()]) -> Precondition:
    """Answer 428 when the client does not say which version it means to change."""
    if given.if_match is None:
        raise HTTPException(
            status.HTTP_428_PRECONDITION_REQUIRED, 'Send the ETag you last read in If-Match, as in `If-Match: "1"`.'
        )
    return given


OptionalMatch = Annotated[Precondition, Depends()]
RequiredMatch = Annotated[Precondition, Depends(required)]
