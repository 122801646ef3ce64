"""What every model has."""

import uuid

import sqlalchemy as sa

from app import import_modules
from app.database.base import Base, uuid7

import_modules("app.models")


def test_keys_are_uuids_of_version_7_that_count_on() -> None:
    keys = [uuid7() for _ in range(1000)]
    assert {(key.version, key.variant) for key in keys} == {(7, uuid.RFC_4122)}
    assert len(set(keys)) == len(keys)
    milliseconds = [key.int >> 80 for key in keys]
    assert milliseconds == sorted(milliseconds)


def test_no_relationship_loads_by_itself() -> None:
    for mapper in Base.registry.mappers:
        assert {relationship.lazy for relationship in mapper.relationships} <= {"raise"}


def test_every_constraint_has_a_name_that_fits() -> None:
    items: list[sa.Constraint | sa.Index] = []
    for table in Base.metadata.tables.values():
        items += [*table.constraints, *table.indexes]
    names = [str(item.name) for item in items]
    assert all(name.partition("_")[0] in {"pk", "uq", "ix", "fk", "ck"} and len(name) <= 63 for name in names)
    assert len(names) == len(set(names))


def test_every_foreign_key_is_indexed() -> None:
    for table in Base.metadata.tables.values():
        leading = {next(iter(index.columns)).name for index in table.indexes}
        leading |= {
            next(iter(item.columns)).name
            for item in table.constraints
            if isinstance(item, sa.UniqueConstraint | sa.PrimaryKeyConstraint)
        }
        assert {key.parent.name for key in table.foreign_keys} <= leading
