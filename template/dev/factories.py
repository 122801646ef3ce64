"""Valid request bodies and rows for every table, found from the models: for sample data and for tests."""

import datetime as dt
import decimal
import functools
import importlib
import itertools
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import sqlalchemy as sa
from polyfactory.factories.pydantic_factory import ModelFactory
from polyfactory.field_meta import FieldMeta
from pydantic.fields import FieldInfo

from app import import_modules
from app.database.base import Base
from app.database.session import WriteSession
from app.schemas import Input, ListQuery

EPOCH = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ENOUGH_DIGITS, ENOUGH_ROOM, MOST_DIGITS = 4, 1000, 2100
LIMITS = ("ge", "le", "max_length", "max_digits", "decimal_places")
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class BodyFactory(ModelFactory[Input]):
    """Bodies with small, plain values; a unique field counts on, so that rows never collide."""

    __is_base_factory__ = True
    __allow_none_optionals__ = False
    table: sa.Table
    counters: defaultdict[str, Iterator[int]]

    @classmethod
    def get_field_value(cls, field_meta: FieldMeta, *args: Any, **kwargs: Any) -> Any:
        """Return a value for a field; references are left empty, links too."""
        column = cls.table.columns.get(field_meta.name)
        if column is None:
            return []
        if column.foreign_keys:
            return None
        count = next(cls.counters[column.name])
        limits = _limits(cls.__model__.model_fields[field_meta.name])
        match column.type:
            case sa.Enum() | sa.Boolean() | sa.Uuid():
                return super().get_field_value(field_meta, *args, **kwargs)
            case sa.String():
                return _text(column.name, count, limits.get("max_length", 200))
            case sa.Integer() | sa.Numeric() | sa.Float():
                places = limits.get("decimal_places", 3 if isinstance(column.type, sa.Float) else 0)
                return column.type.python_type(_number(count if column.unique else count % 5, limits, places))
            case sa.DateTime():
                return EPOCH + dt.timedelta(minutes=count)
            case sa.Date():
                return (EPOCH + dt.timedelta(days=count)).date()
            case _:
                return {"sample": count}


def _limits(field: FieldInfo) -> dict[str, Any]:
    """Return what a field was declared with: polyfactory does not see it where the field may be null."""
    return {name: getattr(item, name) for item in field.metadata for name in LIMITS if hasattr(item, name)}


def _text(name: str, count: int, length: int) -> str:
    readable = f"{name.replace('_', ' ').capitalize()} {count}"
    if len(readable) <= length:
        return readable
    places = [DIGITS[count // len(DIGITS) ** place % len(DIGITS)] for place in range(min(length, 8))]
    return "".join(reversed(places))


def _number(count: int, limits: Any, places: int) -> decimal.Decimal:
    """Count on from zero, or from the bound that is nearest to it, to the side where there is more room."""
    low = decimal.Decimal(str(limits.get("ge", "-Infinity")))
    high = decimal.Decimal(str(limits.get("le", "Infinity")))
    start = max(low, min(high, decimal.Decimal(0)))
    room = max(high - start, start - low)
    digits = limits.get("max_digits", 9)
    wide = room >= ENOUGH_ROOM and digits - limits.get("decimal_places", 0) >= ENOUGH_DIGITS
    step = decimal.Decimal(1).scaleb(0 if wide else -places)
    steps = count % (int(room / step) + 1) if room.is_finite() else count
    with decimal.localcontext(prec=MOST_DIGITS):
        return (start + steps * step * (1 if high - start == room else -1)).quantize(decimal.Decimal(1).scaleb(-places))


@dataclass(frozen=True)
class Resource:
    """A table with what the API needs for it."""

    name: str
    path: str
    model: type[Base]
    create: type[Input]
    query: type[ListQuery]
    insert: Callable[[WriteSession, Any], Awaitable[Base]]
    links: Mapping[str, sa.Table]
    factory: type[BodyFactory]

    @property
    def table(self) -> sa.Table:
        """The table of the model."""
        return Base.metadata.tables[f"app.{self.model.__tablename__}"]

    def references(self, *, required: bool) -> dict[str, str]:
        """Return the foreign keys of the table with the tables they refer to."""
        keys = [key for key in self.table.foreign_keys if not (required and key.parent.nullable)]
        return {key.parent.name: key.column.table.name for key in keys}

    def linked(self) -> dict[str, str]:
        """Return the lists of ids that a body may have, with the tables they refer to."""
        sides = {name: list(links.primary_key.columns)[1] for name, links in self.links.items()}
        return {name: next(iter(side.foreign_keys)).column.table.name for name, side in sides.items()}

    def expandable(self) -> list[str]:
        """Return the relationships that `expand` takes."""
        field = self.query.model_fields.get("expand")
        return [name for names in get_args(field.annotation) for name in get_args(names)] if field else []

    def body(self, **given: Any) -> Input:
        """Return a valid body; references that are not given are empty."""
        return self.factory.build(**given)


@functools.cache
def resources() -> list[Resource]:
    """Return every table with an API of its own, those first that others refer to."""
    names = [module.__name__.rpartition(".")[2] for module in import_modules("app.api")]
    found = [_resource(name) for name in names if importlib.util.find_spec(f"app.models.{name}")]
    order = [table.name for table in Base.metadata.sorted_tables]
    return sorted(found, key=lambda resource: order.index(resource.table.name))


def _resource(name: str) -> Resource:
    model = next(mapper.class_ for mapper in Base.registry.mappers if mapper.class_.__module__ == f"app.models.{name}")
    queries = importlib.import_module(f"app.queries.{name}")
    schemas = importlib.import_module(f"app.schemas.{name}")
    create = getattr(schemas, f"{model.__name__}Create")
    return Resource(
        name=name,
        path=importlib.import_module(f"app.api.{name}").router.prefix,
        model=model,
        create=create,
        query=getattr(schemas, f"{model.__name__}Query"),
        insert=getattr(queries, f"create_{name}"),
        links=getattr(queries, "LINKS", {}),
        factory=BodyFactory.create_factory(
            create, table=model.__table__, counters=defaultdict(lambda: itertools.count(1))
        ),
    )


async def make(session: WriteSession, resource: Resource, **given: Any) -> Base:
    """Store a row; rows that it must refer to are made first, unless they are given."""
    for column, target in resource.references(required=True).items():
        if column not in given:
            other = next(other for other in resources() if other.table.name == target)
            given[column] = key_of(await make(session, other))
    return await resource.insert(session, resource.body(**given))


def key_of(row: Base) -> uuid.UUID:
    """Return the primary key of a row."""
    (key,) = sa.inspect(row).mapper.primary_key_from_instance(row)
    return uuid.UUID(str(key))
