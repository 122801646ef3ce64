"""What policies take for the identity: the claims of this transaction, and nothing else that looks like them."""

import uuid

import pytest
import sqlalchemy as sa

from app.database.identity import ANONYMOUS, SYSTEM, Identity, Role
from app.database.session import Sessions
from app.settings import Settings
from tests.row_security.rows import REFUSED, one_connection, orders, outcome
from tests.support import ADA, BOB

CLAIMS = "SELECT current_setting('request.jwt.claims', true)"
ME = "SELECT private.current_user_id()"
NEW_CATEGORY = "INSERT INTO app.categories (id, name) VALUES (gen_random_uuid(), 'new')"
ODD = ("'", "';TRUNCATE app.orders;--", "\\", '"', "$$", "é", "\u202e", "\n", "{}", "x" * 10_000)


@pytest.mark.parametrize("name", ["request.jwt.claim.sub", "request.jwt.claim", "app.user_id", "request.jwt"])
async def test_other_settings_mean_nothing(sessions: Sessions, name: str) -> None:
    _, bobs = await orders(sessions)
    claim = f"SELECT set_config('{name}', '{ADA.user_id}', true)"
    assert await outcome(sessions, BOB, claim, "SELECT id FROM app.orders") == [(bobs,)]


async def test_a_setting_of_an_earlier_transaction_is_nobody(settings: Settings) -> None:
    async with one_connection(settings) as opened:
        assert await outcome(opened, ADA, ME) == [(ADA.user_id,)]
        emptied = "SELECT set_config('request.jwt.claims', '', true)"
        assert await outcome(opened, BOB, emptied, ME) == [(None,)]
        assert await outcome(opened, BOB, emptied, "SELECT id FROM app.orders") == []
        assert await outcome(opened, BOB, emptied, NEW_CATEGORY) == REFUSED
        assert await outcome(opened, SYSTEM, ME) == [(None,)]
        assert await outcome(opened, ANONYMOUS, ME) == [(None,)]


@pytest.mark.parametrize("claims", ["null", "[]", "{}", '{"sub": null}', '{"scopes": null}', '"text"', "1"])
async def test_claims_without_a_user_are_nobodys(sessions: Sessions, claims: str) -> None:
    await orders(sessions)
    given = f"SELECT set_config('request.jwt.claims', '{claims}', true)"
    assert await outcome(sessions, BOB, given, "SELECT id FROM app.orders") == []
    assert await outcome(sessions, BOB, given, NEW_CATEGORY) == REFUSED


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
async def test_no_text_of_a_token_is_sql(sessions: Sessions, text: str) -> None:
    await orders(sessions)
    who = Identity(Role.AUTHENTICATED, BOB.user_id, frozenset({text}))
    assert await outcome(sessions, who, CLAIMS) == [(who.claims,)]
    assert await outcome(sessions, who, "SELECT private.has_scope(:text)", text=text) == [(True,)]
    assert await outcome(sessions, SYSTEM, "SELECT count(*) FROM app.orders") == [(2,)]


async def test_a_scope_is_the_whole_word(sessions: Sessions) -> None:
    for scope in ("categories:writ", "categories:write ", "CATEGORIES:WRITE", "categories", "*", "products:write"):
        who = Identity(Role.AUTHENTICATED, BOB.user_id, frozenset({scope}))
        assert await outcome(sessions, who, NEW_CATEGORY) == REFUSED
    who = Identity(Role.AUTHENTICATED, BOB.user_id, frozenset({"categories:write"}))
    assert await outcome(sessions, who, NEW_CATEGORY) == 1


async def test_the_system_writes_for_the_user_whose_rows_it_works_on(sessions: Sessions) -> None:
    work = Identity(Role.SYSTEM, BOB.user_id)
    new = "INSERT INTO app.orders (id, owner_id) VALUES (:id, private.current_user_id())"
    assert await outcome(sessions, work, new, id=uuid.uuid4()) == 1
    async with sessions.of(BOB).read() as session:
        assert await session.scalar(sa.text("SELECT count(*) FROM app.orders")) == 1
