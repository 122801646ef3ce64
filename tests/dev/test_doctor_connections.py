"""The command `doctor` where there is no connection, none that is safe, or a pooler in between."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from doctors import ELSEWHERE, SECRET, create_login, examine, examine_each, examine_urls, is_green, name_of

from certificates import encrypted_server, make_certificates
from databases import at, create_database, execute
from dev.postgres import Server
from poolers import PGBOUNCER, running_pooler
from projects import DEBIAN, MISSING, python

# --- No connection ---


@contextmanager
def listening(*, hangs_up: bool) -> Iterator[int]:
    """A port where something answers nothing, or closes what is opened."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        if hangs_up:
            threading.Thread(target=hang_up, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_each_failure_says_what_to_do(project: Path, url: str, postgres_18: Server) -> None:
    closed, refused, alone = create_database(postgres_18), create_login(postgres_18), "CONNECTION LIMIT 1"
    execute(closed, f"REVOKE CONNECT ON DATABASE {name_of(closed)} FROM PUBLIC")
    execute(url, f"ALTER ROLE {refused} NOLOGIN")

    def as_login(url: str, name: str) -> str:
        return at(url, username=name, password=SECRET)

    with listening(hangs_up=False) as silent, listening(hangs_up=True) as foreign:
        failures = {
            at(url, port=1): "nothing listens there",
            at(url, host="localhost", port=1): "nothing listens there",
            at(url, host="nothing.invalid") + "?sslmode=verify-full": "it has no such name",
            at(url, host="%2Fnowhere"): "its socket is not there",
            at(url, port=silent) + "?connect_timeout=1": "nothing answers",
            at(url, port=foreign): "what answers there hangs up",
            at(url, password=SECRET): "percent-encoded",
            as_login(url, "nobody"): "percent-encoded",
            as_login(url, refused): "Let this user in",
            as_login(closed, create_login(postgres_18)): "GRANT CONNECT",
            as_login(url, create_login(postgres_18, alone)): "Every connection is taken",
            at(url, database="nowhere"): "Create this database",
            f"{url}?sslmode=require": "Turn TLS on at the server",
            f"{url}?target_session_attrs=standby": "Correct target_session_attrs",
        }
        for advice, lines in zip(failures.values(), examine_urls(project, *failures), strict=True):
            assert set(lines) == {"settings", "connection"}
            assert advice in lines["connection"]["advice"]


KNOWN_ONLY_BY_SUPABASE = """
import errno, socket, asyncpg
from app.database.url import parse_url
from dev.probe import advice_on
pooler = "aws-0-eu.pooler.supabase.com"
places = ("postgres@db.abc.supabase.co", f"postgres@{pooler}", f"postgres.abc@{pooler}")
direct, pooled, named = (parse_url(f"postgresql://{place}:5432/postgres") for place in places)
for error, url in [
    (socket.gaierror(-2, "Name or service not known"), direct),
    (OSError(errno.ENETUNREACH, "Network is unreachable"), direct),
    (asyncpg.InternalServerError("Tenant or user not found"), named),
    (asyncpg.InternalServerError("(ENOTFOUND) tenant/user postgres.abc not found"), named),
    (asyncpg.InternalServerError("(ECIRCUITBREAKER) too many authentication failures"), named),
    (asyncpg.InvalidPasswordError("password authentication failed"), pooled),
    (asyncpg.InvalidPasswordError("password authentication failed"), named),
    (asyncpg.InternalServerError("MaxClientsInSessionMode: max clients reached"), named),
    (asyncpg.CannotConnectNowError("the database system is starting up"), direct),
    (TimeoutError(), direct),
    (OSError(errno.EHOSTUNREACH, "No route to host"), named),
]:
    print(advice_on(error, url, "DATABASE_URL"))
"""


def test_what_supabase_answers_has_sentences_of_its_own(project: Path) -> None:
    advice = python(project, "-c", KNOWN_ONLY_BY_SUPABASE).splitlines()
    parts = [
        *("IPv6 only", "IPv6 only", "reads role.project-ref", "reads role.project-ref", "Stop what sends"),
        *(
            "reads role.project-ref",
            "percent-encoded",
            "Every connection is taken",
            "Try again in a moment",
            "nothing answers",
            "no way leads there",
        ),
    ]
    assert [part for part, sentence in zip(parts, advice, strict=True) if part not in sentence] == []


# --- TLS ---


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Certificates, and the URLs of servers that show `server`, or `expired`: both are for `localhost`."""
    if not DEBIAN.exists():
        pytest.skip(f"{MISSING}PostgreSQL 15 in {DEBIAN}")
    certificates = tmp_path_factory.mktemp("certificates")
    make_certificates(certificates)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTGRES_BIN", str(DEBIAN))
        servers = {name: stack.enter_context(encrypted_server(certificates, name)) for name in ("server", "expired")}
        yield certificates, {name: at(server.url(), host="localhost") for name, server in servers.items()}


def test_a_certificate_that_does_not_fit_says_what_to_do(project: Path, encrypted: tuple[Path, dict[str, str]]) -> None:
    certificates, urls = encrypted
    verified = f"?sslmode=verify-full&sslrootcert={certificates}"
    failures = {
        f"{urls['server']}{verified}/other-ca.pem": "Set DATABASE_CA_FILE",
        f"{urls['server']}?sslmode=verify-full": "Set DATABASE_CA_FILE",
        f"{urls['expired']}{verified}/ca.pem": "Renew the certificate",
        f"{at(urls['server'], host=ELSEWHERE)}{verified}/ca.pem": "Take the name that the certificate is for",
        f"{at(urls['server'], host='127.0.0.1')}{verified}/ca.pem": "Take the name that the certificate is for",
        f"{at(urls['server'], username='certified')}{verified}/ca.pem": "Let this user in",
    }
    for advice, lines in zip(failures.values(), examine_urls(project, *failures), strict=True):
        assert advice in lines["connection"]["advice"]


def test_the_tls_that_is_in_force(project: Path, encrypted: tuple[Path, dict[str, str]], url: str) -> None:
    certificates, urls = encrypted
    local, remote = urls["server"], at(urls["server"], host=ELSEWHERE)
    given = f"sslrootcert={certificates}/ca.pem"
    expected = {
        url: ("ok", "plain text, on this machine"),
        local: ("ok", "TLSv1.3, on this machine"),
        f"{local}?sslmode=verify-full&{given}": ("ok", "TLSv1.3, server verified"),
        f"{remote}?sslmode=verify-ca&{given}": ("ok", "TLSv1.3, server verified but for its name"),
        f"{remote}?sslmode=require": ("warn", "TLSv1.3, and anybody can pose as the server"),
        f"{remote}?sslmode=disable": ("fail", "plain text, and anybody can pose as the server"),
        at(url, host=ELSEWHERE): ("fail", "plain text, and anybody can pose as the server"),
    }
    lines = [each["TLS"] for each in examine_urls(project, *expected, ENVIRONMENT="development")]
    for line, (status, found) in zip(lines, expected.values(), strict=True):
        assert line["status"] == status, line
        assert line["found"] == found


# --- Poolers ---


needs_pgbouncer = pytest.mark.skipif(not PGBOUNCER.exists(), reason=f"{MISSING}PgBouncer in {PGBOUNCER}")
MODES = ["transaction", "session"]


@needs_pgbouncer
@pytest.mark.parametrize("mode", MODES)
def test_a_pooler_on_any_port_is_seen_through(project: Path, url: str, postgres_18: Server, mode: str) -> None:
    with running_pooler(postgres_18.url(), mode=mode) as pooler:
        given = {"DATABASE_URL": pooler.through(url), "MIGRATION_DATABASE_URL": url, "CONNECTION_BUDGET": "15"}
        taken = ("", "direct", "session") if mode == "transaction" else ("", "direct")
        each = examine_each(project, *({"CONNECTION_PROFILE": profile, **given} for profile in taken))
        for profile, lines in zip(taken, each, strict=True):
            found = f"{profile or 'direct'}, caches on, but a pooler in {mode} mode is in between"
            assert (lines["profile"]["status"], lines["profile"]["found"]) == ("fail", found)
            assert f"Set CONNECTION_PROFILE={mode}:" in lines["profile"]["advice"]
            assert is_green(lines, "profile"), lines
        lines = examine(project, CONNECTION_PROFILE=mode, **given)
        assert is_green(lines), lines
        assert lines["profile"]["found"] == f"{mode}, caches {'off' if mode == 'transaction' else 'on'}"


@needs_pgbouncer
def test_a_pooler_that_swallows_what_a_connection_brings_is_noticed(
    project: Path, url: str, postgres_18: Server
) -> None:
    swallowed = (
        "statement_timeout, lock_timeout, idle_in_transaction_session_timeout, idle_session_timeout, "
        "client_connection_check_interval, jit"
    )
    with running_pooler(postgres_18.url(), mode="session", ignore_startup_parameters=swallowed) as pooler:
        lines = examine(project, DATABASE_URL=pooler.through(url), CONNECTION_BUDGET="30")
        assert lines["profile"]["status"] == "warn"
        assert lines["timeouts"]["status"] == "fail"
        assert "statement_timeout 0 s" in lines["timeouts"]["found"]
        assert is_green(examine(project, DATABASE_URL=pooler.through(url), CONNECTION_PROFILE="session"), "pool")


@needs_pgbouncer
def test_a_failure_of_a_pooler_says_what_to_do(project: Path, url: str, postgres_18: Server) -> None:
    with running_pooler(postgres_18.url(), mode="transaction") as pooler:
        through = pooler.through(url)
        failures = {
            f"{through}?options=-cjit%3Doff": "Take options out of DATABASE_URL",
            at(through, database="nowhere"): "Create this database",
            at(through, username="nobody"): "percent-encoded",
            at(through, password=SECRET): "percent-encoded",
        }
        for advice, lines in zip(failures.values(), examine_urls(project, *failures), strict=True):
            assert advice in lines["connection"]["advice"]


@needs_pgbouncer
def test_migrations_refuse_a_transaction_pooler(project: Path, url: str, postgres_18: Server) -> None:
    with running_pooler(postgres_18.url(), mode="transaction") as pooler:
        lines = examine(project, DATABASE_URL=url, MIGRATION_DATABASE_URL=pooler.through(url))
        assert lines["migration URL"]["status"] == "fail"
        assert "to its pooler in session mode" in lines["migration URL"]["advice"]
        lines = examine(project, DATABASE_URL=pooler.through(url), CONNECTION_PROFILE="transaction")
        assert lines["settings"]["advice"].startswith("Set MIGRATION_DATABASE_URL")
        assert lines["pool"]["advice"].startswith("Set CONNECTION_BUDGET")
