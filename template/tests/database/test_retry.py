"""Units of work that run again after a collision."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.database.retry import in_transaction
from app.database.session import Sessions, WriteSession


def failing(state: str, times: int) -> tuple[list[int], sa.TextClause]:
    """Return a counter and a statement that fails with a state."""
    return [times], sa.text(f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{state}'; END $$")


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_collision_is_tried_again(sessions: Sessions, state: str) -> None:
    left, fail = failing(state, 2)

    async def work(session: WriteSession) -> int:
        if left[0]:
            left[0] -= 1
            await session.execute(fail)
        return 1

    assert await in_transaction(sessions, work) == 1
    assert left == [0]


@pytest.mark.parametrize(("state", "tries"), [("40001", 3), ("23514", 1)])
async def test_what_does_not_help_is_not_tried_again(sessions: Sessions, state: str, tries: int) -> None:
    made, fail = failing(state, 0)

    async def work(session: WriteSession) -> None:
        made[0] += 1
        await session.execute(fail)

    with pytest.raises(DBAPIError):
        await in_transaction(sessions, work, attempts=3)
    assert made == [tries]
