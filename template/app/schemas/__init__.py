"""What goes in and out, one file a table, and here what the schemas of all tables share."""

from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.database.base import Base

Item = TypeVar("Item")


class Input(BaseModel):
    """A request body. A field that nobody knows is refused: a typing error is not a wish."""

    model_config = ConfigDict(extra="forbid")


class Output(BaseModel):
    """A row as clients see it, with the relationships that a query has loaded."""

    model_config = ConfigDict(from_attributes=True)

    @model_validator(mode="before")
    @classmethod
    def _read_loaded(cls, row: Any) -> Any:
        if not isinstance(row, Base):
            return row
        unloaded = sa.inspect(row).unloaded
        return {name: getattr(row, name) for name in cls.model_fields if name not in unloaded}


class ListQuery(Input):
    """What every list understands. A table adds its filters, the orders it can be read in, and what can be expanded."""

    limit: int = Field(default=50, ge=1, le=100)
    """Rows a page."""

    cursor: str | None = Field(default=None, max_length=2000)
    """Where the page before ended: its `next_cursor`."""


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    model_config = ConfigDict(from_attributes=True)

    items: list[Item]
    next_cursor: str | None = Field(description="Ask for the next page with it; null on the last one.")


def omitted() -> Any:
    """Return what a field that a PATCH leaves out holds; nobody reads it, only fields that were sent are applied."""
    return None
