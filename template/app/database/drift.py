"""How the database differs from the models: nothing that PostgreSQL knows of a schema is left out."""

import re
from collections.abc import Iterable, Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.database.base import Base
from app.database.catalog import WHOLE, Item, made_schemas, make_schemas, our_tables, read_catalog, statements_of
from app.database.errors import sqlstate

SUFFIX = "__models"
LINKS = ("reference from ", "child ")  # to a table of our own: its models say it
CODE = {"view", "materialized view", "function", "procedure", "aggregate"}
REASONS = {
    "42501": "the login of MIGRATION_DATABASE_URL needs CREATE on the database",
    "25006": "this server is a replica",
}
ADVICE = {
    "/* INVALID */": ": its build has failed, so drop it and create it again",
    " NOT VALID": ": VALIDATE CONSTRAINT is still to be done",
}
# A list of values has its casts elsewhere when it was dumped and restored, or its text was run again.
LITERAL = re.compile(r"\(('(?:[^']|'')*')::character varying\)::text|('(?:[^']|'')*')::(?:character varying|text)\b")
LITERALS = re.compile(r"\((ARRAY\[[^\[\]]*\])\)::text\[\]")

Catalog = Mapping[tuple[str, str], str]


def catalogs(connection: sa.Connection) -> tuple[Catalog, Catalog]:
    """Return what the database has, and what the models make, which is done beside it and taken back.

    SystemExit says why they cannot be made.
    """
    found, wanted = read_catalog(connection, made_schemas()), read_models(connection)
    made = {item.relation for item in wanted}
    # In `private` others may have tables, too; but what runs or shows something there is the models' affair.
    looked_at = made | {item.relation for item in found if item.name in CODE}
    found = [item for item in found if item.relation in looked_at or not item.relation.startswith("private.")]
    said, links = _by_name(wanted), {start + relation for start in LINKS for relation in made}
    found = [item for item in found if item.name not in links]
    return {key: _in_words_of(said.get(key), text) for key, text in _by_name(found).items()}, said


def read_models(connection: sa.Connection) -> list[Item]:
    """Return what the models make, as the database writes it.

    It is made in schemas with other names, read and taken back: nobody sees it. So are tables that are not ours, such
    as `auth.users`: a reference to the real one would lock it.
    """
    names = "|".join(sorted(map(re.escape, made_schemas())))
    others = [table for table in Base.metadata.sorted_tables if table not in our_tables()]
    schemas = "|".join(sorted({re.escape(str(table.schema)) for table in others})) or names
    there = re.compile(rf'\b({names})(?="?\.)|(?<=SCHEMA )({names})\b|(?<=REFERENCES )({schemas})(?="?\.)')
    beside = re.compile(rf"({names}|{schemas}){SUFFIX}")
    try:
        with connection.begin_nested() as savepoint:
            for schema in {f"{table.schema}{SUFFIX}" for table in others}:
                connection.execute(sa.schema.CreateSchema(schema))
            for table in others:
                twin = table.to_metadata(sa.MetaData(), schema=f"{table.schema}{SUFFIX}")
                connection.execute(sa.schema.CreateTable(twin))
            for statement in (*make_schemas(), *statements_of(our_tables())):
                connection.exec_driver_sql(there.sub(rf"\g<0>{SUFFIX}", statement))
            items = read_catalog(connection, [schema + SUFFIX for schema in made_schemas()])
            items = [item for item in items if not item.name.startswith(("default grant everywhere ", *LINKS))]
            savepoint.rollback()
    except DBAPIError as error:
        reason = REASONS.get(sqlstate(error) or "", f"{error.orig} in {error.statement}")
        raise SystemExit(f"The models cannot be made, to be compared with the database: {reason}.") from error
    return [Item(*(beside.sub(r"\1", part) for part in item)) for item in items]


def compare(found: Catalog, wanted: Catalog) -> Iterator[str]:
    """Yield a line for each object that the database has otherwise than the models, or one of the two has not."""
    for relation, name in sorted(found.keys() | wanted.keys()):
        there, said = found.get((relation, name)), wanted.get((relation, name))
        if there == said or (name not in WHOLE and _has(found, relation) != _has(wanted, relation)):
            continue  # what is missing as a whole is named once
        which = relation if "." in relation else f"schema {relation}"
        line = f"{name} {relation}" if name in WHOLE else f"{name} of {which}"
        if said is None:
            line += f": not in the models, in the database{_shown(there)}"
        elif there is None:
            line += f": not in the database, in the models{_shown(said)}"
        else:
            line += f": in the database{_shown(there) or ' nothing'}, in the models{_shown(said) or ' nothing'}"
        yield line + next((advice for end, advice in ADVICE.items() if (there or "").endswith(end)), "")


def _by_name(items: Iterable[Item]) -> Catalog:
    return {(item.relation, item.name): item.definition for item in items}


def _in_words_of(said: str | None, there: str) -> str:
    """Return what is there, in the words of the models where that is the same."""
    return said if said and _plain(said) == _plain(there) else there


def _plain(definition: str) -> str:
    return LITERALS.sub(r"\1", LITERAL.sub(r"\1\2", definition))


def _has(catalog: Catalog, relation: str) -> bool:
    return any((relation, kind) in catalog for kind in WHOLE)


def _shown(definition: str | None) -> str:
    return f" {' '.join(definition.split())}" if definition else ""
