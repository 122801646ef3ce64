"""What is left where the login itself is a superuser: whoever takes on a role is bound by it."""

import pytest
import sqlalchemy as sa

from app.database.identity import ANONYMOUS
from app.database.session import Sessions
from tests.row_security.rows import IDS, REFUSED, orders, outcome
from tests.support import ADA, BOB

POWERS = sa.text("SELECT session_user, current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)")


async def test_the_login_is_a_superuser_and_what_runs_is_not(sessions: Sessions) -> None:
    for kind in (sessions.of(BOB).write, sessions.of(BOB).read):
        async with kind() as session:
            login, role, is_super = (await session.execute(POWERS)).one()
            assert (login == role, role, is_super) == (False, "authenticated", True)


@pytest.mark.parametrize(
    "statement", ["TRUNCATE app.orders", "ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY", "TABLE app.users"]
)
async def test_a_superusers_rights_are_not_those_of_the_role(sessions: Sessions, statement: str) -> None:
    assert await outcome(sessions, BOB, statement) == REFUSED


async def test_who_has_not_signed_in_reaches_nothing(sessions: Sessions) -> None:
    await orders(sessions)
    assert await outcome(sessions, ANONYMOUS, "SELECT * FROM app.orders") == REFUSED


async def test_limit_sql_can_be_the_superuser_again(sessions: Sessions) -> None:
    adas, bobs = await orders(sessions)
    found = await outcome(sessions, BOB, "RESET ROLE", "SELECT id FROM app.orders ORDER BY id")
    assert found == sorted([(adas,), (bobs,)])


async def test_limit_outside_of_a_transaction_the_driver_is_the_superuser(sessions: Sessions) -> None:
    adas, bobs = await orders(sessions)
    lent = await sessions.of(BOB).engine.raw_connection()
    driver = lent.driver_connection
    assert driver is not None
    assert {row[0] for row in await driver.fetch(str(IDS))} == {adas, bobs}
    lent.close()
    async with sessions.of(ADA).read() as session:
        assert set(await session.scalars(IDS)) == {adas}
