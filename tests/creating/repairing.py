"""Makes differences in the database of a project, one after the other, and runs what `create-schema` prints for each.

Within a project of `migrations=none`: `python …/repairing.py …/migrate/statements.py < DIFFERENCES`. Prints for each,
as JSON: what was printed, which errors its statements had, and what is printed when they have run.
"""

import asyncio
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import create_schema
from app.database.engine import open_migration_connection
from app.settings import get_settings

# What loses data is printed as a comment, for whoever decides on it; here it is wanted.
LOSES = re.compile(r"^-- (?=(ALTER|DROP) )", re.MULTILINE)


def split(sql: str) -> Iterable[str]:
    spec = importlib.util.spec_from_file_location("statements", sys.argv[1])
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.split(sql))


async def repaired(engine: AsyncConnection, owner: Any, plant: str, fill: str) -> dict[str, str]:
    await owner.execute(plant)
    printed, errors = await describe(engine), list[str]()
    for statement in split(LOSES.sub("", printed)):
        if "VALIDATE CONSTRAINT required" in statement:
            for update in split(fill):
                with suppress(asyncpg.UndefinedColumnError):  # it has its turn later
                    await owner.execute(update)
        try:
            await owner.execute(statement)
        except asyncpg.PostgresError as error:
            errors.append(f"{error}: {statement}")
    return {"printed": printed, "errors": "\n".join(errors), "left": await describe(engine)}


async def describe(connection: AsyncConnection) -> str:
    printed, _ = await connection.run_sync(create_schema.describe)
    await connection.rollback()
    return printed


async def main() -> None:
    differences, owner = json.load(sys.stdin), await asyncpg.connect(os.environ["MIGRATION_DATABASE_URL"])
    async with open_migration_connection(get_settings()) as connection:
        print(json.dumps({name: await repaired(connection, owner, *each) for name, each in differences.items()}))
    await owner.close()


if __name__ == "__main__":
    asyncio.run(main())
