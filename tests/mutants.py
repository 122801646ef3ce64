"""Mistakes that somebody could make in the data layer: a single change each, and the tests that have to notice."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """One change to one file of a rendered project."""

    name: str
    file: str
    old: str
    new: str
    noticed_by: str

    def apply(self, project: Path) -> None:
        """Make the change; its text has to be there, once."""
        path = project / self.file
        text = path.read_text()
        assert text.count(self.old) == 1, f"{self.file} has this {text.count(self.old)} times: {self.old}"
        path.write_text(text.replace(self.old, self.new))


API, PROBLEMS, CATEGORIES = "app/api/__init__.py", "app/api/problems.py", "app/api/category.py"
BASE, ENGINE, ERRORS = "app/database/base.py", "app/database/engine.py", "app/database/errors.py"
GUARDS, SESSION, LOGS = "app/database/guards.py", "app/database/session.py", "app/logs.py"
PAGES, LINKS, PRODUCTS = "app/queries/__init__.py", "app/queries/__init__.py", "app/queries/product.py"
SCHEMAS, MODEL, REVISION = "app/schemas/__init__.py", "app/models/product.py", "alembic/versions/0001_create_tables.py"

COMMIT, SWALLOWED, CAUSED = "tests/proofs/commit.py", "tests/proofs/swallowed.py", "tests/proofs/errors.py"
CONTENTION, OUTAGES, LOST = "tests/proofs/contention.py", "tests/proofs/outages.py", "tests/proofs/lost_connections.py"
TIMEOUTS, SESSIONS, VERSIONS = "tests/proofs/timeouts.py", "tests/proofs/sessions.py", "tests/proofs/versions.py"
PERMISSIONS, PLANS, LINES = "tests/proofs/permissions.py", "tests/proofs/plans.py", "tests/proofs/logs.py"
URL, TLS, CONNECTION = "app/database/url.py", "app/database/tls.py", "app/database/connection.py"
SETTINGS, URLS, CONNECTIONS = "app/settings.py", "tests/proofs/urls.py", "tests/proofs/connections.py"
MODES, RUNNING = "tests/encrypted/modes.py", "tests/encrypted/running.py"
BEFORE, BUDGETS = "app/database/start.py", "tests/proofs/budgets.py"
STARTING, STEADY, FAILOVER = "tests/proofs/starting.py", "tests/proofs/steady_pools.py", "tests/proofs/failover.py"
EVERY_AWAIT, MIGRATIONS = "tests/proofs/every_await.py", "tests/proofs/migrations.py"
PROCESSES = "tests/proofs/processes.py"
START, ITS_SCHEMA, ITS_BASE = "tests/proofs/start.py", "tests/test_schema.py", "tests/test_schema.py"
LISTS, ROWS, VALUES = (f"tests/contract/test_{name}.py" for name in ("lists", "rows", "values"))

WRITES = "self.engine, expire_on_commit=False"

MUTANTS = [
    # --- Sessions ---
    Mutant("commits after the answer", API, 'write_session, scope="function"', "write_session", COMMIT),
    Mutant("reads until after the answer", API, 'read_session, scope="function"', "read_session", SESSIONS),
    Mutant("lets a failed flush pass", SESSION, "if not transaction.is_active:", "if False:", SWALLOWED),
    Mutant("lets a used session live on", SESSION, f"{WRITES}, close_resets_only=False", WRITES, SESSIONS),
    Mutant("forgets rows at commit", SESSION, WRITES, "self.engine", ROWS),
    Mutant("leaves connections open", SESSION, "await write.dispose()", "pass", START),
    Mutant("leaves reading connections open", SESSION, "await read.dispose()", "pass", START),
    Mutant("never retries", SESSION, "not in RETRYABLE or attempt == attempts", "is not None", CONTENTION),
    Mutant("retries everything", SESSION, "sqlstate(error) not in RETRYABLE or attempt", "attempt", CONTENTION),
    Mutant("retries for ever", SESSION, " or attempt == attempts:", ":", CONTENTION),
    Mutant(
        "closes only what went well",
        API,
        "    async with sessions.read() as session:\n        yield ReadSession(session)\n",
        "    session = sessions.read()\n    yield ReadSession(session)\n    await session.close()\n",
        EVERY_AWAIT,
    ),
    # --- Start and budget ---
    Mutant("does not wait", BEFORE, "if time.monotonic() > deadline or not _passes(error):", "if True:", STARTING),
    Mutant("waits for ever", BEFORE, "if time.monotonic() > deadline or not", "if not", STARTING),
    Mutant("waits with a wrong password", BEFORE, " or not _passes(error):", ":", STARTING),
    Mutant(
        "stumbles over silence",
        BEFORE,
        "except (OSError, DBAPIError)",
        "except (ConnectionError, DBAPIError)",
        STARTING,
    ),
    Mutant("has no words for silence", BEFORE, 'return reason or "no answer"', "return reason", STARTING),
    Mutant("shows how it failed", LOGS, '.rpartition("StartError: ")[2].rstrip()', "", PROCESSES),
    Mutant(
        "starts over budget", BEFORE, "    if budget.fits:\n        logger", "    if True:\n        logger", BUDGETS
    ),
    Mutant("refuses while developing", BEFORE, 'settings.environment == "development"', "False", BUDGETS),
    Mutant("counts one worker", ENGINE, " * self.workers", "", BUDGETS),
    Mutant("counts one engine", ENGINE, "2 if settings.profile is Profile.DIRECT else 1", "1", BUDGETS),
    Mutant("takes what others use", ENGINE, "(SELECT count(*) FROM others))", "0)", BUDGETS),
    Mutant("counts the server's own", ENGINE, "AND datname IS NOT NULL", "", BUDGETS),
    Mutant("takes what is reserved", ENGINE, "most - reserved - taken, format", "most - taken, format", BUDGETS),
    Mutant("forgets the login's limit", ENGINE, "AND rolconnlimit >= 0", "AND false", BUDGETS),
    Mutant("forgets the database's limit", ENGINE, "AND datconnlimit >= 0", "AND false", BUDGETS),
    Mutant("knows better than its operator", ENGINE, "if given is not None:", "if False:", BUDGETS),
    Mutant("knows no Supabase", ENGINE, "settings.url.is_supabase", "False", BUDGETS),
    # --- Guards of a connection ---
    Mutant("lets what the driver saw pass", CONNECTION, 'and done == "ROLLBACK"', "and False", SWALLOWED),
    Mutant("keeps what did not begin", CONNECTION, "self.terminate()  # asyncpg", "pass  # asyncpg", SWALLOWED),
    Mutant("lets a failed statement pass", GUARDS, 'if connection.info.get("failed"):', "if False:", SWALLOWED),
    Mutant("remembers another's failure", GUARDS, '@event.listens_for(sync, "begin")\n', "\n", CAUSED),
    Mutant("refuses after a savepoint", GUARDS, '@event.listens_for(sync, "rollback_savepoint")\n', "\n", SWALLOWED),
    Mutant("asks a lost connection", GUARDS, "if not connection.invalidated:", "if True:", LOST),
    Mutant("never pings", GUARDS, "< IDLE_SECONDS", "< 1e9", LOST),
    Mutant("always pings", GUARDS, "< IDLE_SECONDS", "< 0", LOST),
    Mutant("pings for ever", GUARDS, "timeout=timeout", "timeout=60", LOST),
    Mutant("does not listen for idleness", ENGINE, "ping_after_idle(engine, settings.connect_timeout)", "pass", LOST),
    Mutant("hands out what was closed", GUARDS, "if connection.driver_connection.is_closed():", "if False:", LOST),
    Mutant("keeps what went silent", ENGINE, "drop_silent_connections(engine)", "pass", LOST),
    Mutant("hands on a half-open transaction", ENGINE, "discard_unfinished(engine)", "pass", SESSIONS),
    # --- Engines ---
    Mutant("reads on a connection that can write", ENGINE, '_read_only"] = "on"', '_read_only"] = "off"', SESSIONS),
    Mutant("reads in a transaction", ENGINE, '"AUTOCOMMIT" if read_only else None', "None", SESSIONS),
    Mutant("logs values", ENGINE, "hide_parameters=True,  # v", "hide_parameters=False,  # v", LINES),
    Mutant("waits too long for the pool", ENGINE, "pool_timeout=settings.pool_timeout", "pool_timeout=5", TIMEOUTS),
    Mutant("opens more connections", ENGINE, "max_overflow=0", "max_overflow=10", TIMEOUTS),
    Mutant(
        "closes connections on return",
        ENGINE,
        "pool_size=settings.pool_size + settings.max_overflow,\n        max_overflow=0",
        "pool_size=settings.pool_size,\n        max_overflow=settings.max_overflow",
        STEADY,
    ),
    Mutant("uses connections in turn", ENGINE, "pool_use_lifo=True", "pool_use_lifo=False", STEADY),
    Mutant("keeps what nobody uses", ENGINE, 'f"{settings.idle_timeout}s"', '"0"', STEADY),
    Mutant("waits for a silent server", CONNECTION, "timeout=self.timeout", "timeout=5", TIMEOUTS),
    Mutant("waits to be heard at the end", SESSION, "timeout(settings.connect_timeout)", "timeout(None)", TIMEOUTS),
    Mutant("waits for silence", ENGINE, ', "command_timeout": settings.statement_timeout + 1', "", TIMEOUTS),
    Mutant("never ends a statement", ENGINE, 'f"{settings.statement_timeout}s"', '"5s"', TIMEOUTS),
    Mutant("never gives up a lock", ENGINE, 'f"{settings.lock_timeout}s"', '"5s"', TIMEOUTS),
    Mutant("never ends idleness", ENGINE, 'f"{settings.idle_in_transaction_timeout}s"', '"0"', TIMEOUTS),
    Mutant("raises bare OSErrors", CONNECTION, "raise DatabaseUnavailableError from failure", "raise failure", OUTAGES),
    Mutant("finds no host to read from", CONNECTION, "wanted = TO_READ.get(wanted, wanted)", "pass", FAILOVER),
    Mutant("prefers nothing", CONNECTION, '("standby", "any") if', '("any",) if', FAILOVER),
    # --- Errors ---
    Mutant("retries no deadlock", ERRORS, '{"40001", "40P01"}', '{"40001"}', CONTENTION),
    Mutant("blames the wrong row", ERRORS, '.startswith("DELETE")', '.startswith("INSERT")', CAUSED),
    Mutant("blames another table's field", ERRORS, " and failure is not STILL_REFERENCED", "", CAUSED),
    Mutant("blames the client for our division", ERRORS, '"22012": INTERNAL,', '"22012": INVALID,', CAUSED),
    Mutant("calls missing rights forbidden", ERRORS, " if checked else INTERNAL", "", PERMISSIONS),
    Mutant("calls a policy our error", ERRORS, "FORBIDDEN if checked else ", "", PERMISSIONS),
    Mutant("forgets dropped connections", ERRORS, "if error.connection_invalidated:", "if False:", TIMEOUTS),
    Mutant("forgets prepared statements", ERRORS, "if isinstance(error, NotSupportedError)", "if False", MIGRATIONS),
    Mutant("names no field", ERRORS, "return _by_name().get(constraint, ())", "return ()", CAUSED),
    Mutant("calls a timeout an outage", ERRORS, '    "57014": TIMED_OUT,\n', "", TIMEOUTS),
    Mutant("tells the database's text", ERRORS, "replace(failure, ", "replace(failure, detail=str(error), ", CAUSED),
    Mutant("tells no time to come back", PROBLEMS, 'sent["Retry-After"] = "1"', "pass", OUTAGES),
    Mutant("logs no mistake", PROBLEMS, "if failure is INTERNAL:", "if False:", CAUSED),
    Mutant("logs no swallowed error", PROBLEMS, '"a mistake in this route", exc_info=error', '"?"', SWALLOWED),
    Mutant("answers stale rows with 500", PROBLEMS, "    StaleDataError: STALE,\n", "", VERSIONS),
    # --- Rows and their versions ---
    Mutant("checks no version", API, 'if not {"*", f\'"{row.version}"\'} & set(known)', "if not known", ROWS),
    Mutant("asks for no version", CATEGORIES, "match: RequiredMatch", "match: OptionalMatch", ROWS),
    Mutant(
        "deletes any version",
        CATEGORIES,
        "row = match.check(found(await lock_row(session, Category, category_id)))\n    await delete_row",
        "row = found(await lock_row(session, Category, category_id))\n    await delete_row",
        ROWS,
    ),
    Mutant("lets the last writer win", BASE, '"version_id_col": cls.version, ', "", VERSIONS),
    Mutant("counts no versions", REVISION, "NEW.version := OLD.version + 1; ", "", ROWS),
    Mutant("makes no version of links", PAGES, 'flag_modified(row, "updated_at")', "pass", VERSIONS),
    Mutant("keeps old links", LINKS, ".where(left == row_id, ", ".where(sa.false(), ", VERSIONS),
    Mutant("stumbles over known links", LINKS, ".on_conflict_do_nothing()", "", VERSIONS),
    Mutant("loads in passing", MODEL, 'passive_deletes=True, lazy="raise"', "passive_deletes=True", ITS_BASE),
    Mutant("accepts unknown fields", SCHEMAS, 'extra="forbid"', 'extra="ignore"', VALUES),
    # --- Lists ---
    Mutant("turns pages back", PAGES, "position < last if descending", "position < last if not descending", LISTS),
    Mutant("breaks no ties", PAGES, "else (key, row_id)\n", "else (key,)\n", PLANS),
    Mutant("breaks no ties downwards", PAGES, "(key.desc(), row_id.desc())", "(key.desc(),)", PLANS),
    Mutant("sees no next page", PAGES, ".limit(query.limit + 1)", ".limit(query.limit)", LISTS),
    Mutant("takes any cursor", PAGES, "if made_for != sort:", "if False:", LISTS),
    Mutant("filters the wrong way", PRODUCTS, "Product.sku == v", "Product.sku != v", LISTS),
    Mutant("filters nothing", PAGES, "return [filters[name](value)", "return [] and [filters[name](value)", LISTS),
    Mutant("orders without an index", MODEL, "sa.String(200), index=True", "sa.String(200)", ITS_SCHEMA),
    # --- Logs ---
    Mutant("takes any request id", LOGS, "if ACCEPTED_ID.fullmatch(sent)", "if sent", LINES),
    Mutant("logs quick statements", LOGS, "if seconds >= threshold:", "if True:", LINES),
    Mutant("logs no route", LOGS, "getattr(scope.get('route'), 'path', '(no route)')", "'(no route)'", LINES),
    # --- Connections ---
    Mutant("speaks plainly in production", TLS, "if production and not url.is_local:", "if False:", URLS),
    Mutant("takes one near host for all", URL, "all(_is_local(", "any(_is_local(", URLS),
    Mutant("leaves Supabase unverified", TLS, "if url.is_supabase:", "if False:", URLS),
    Mutant("believes a name that looks alike", URL, '(".supabase.co", ', '("supabase.com", ".supabase.co", ', URLS),
    Mutant("drops a port without a host", URL, 'pop("port", found["port"] or "")', 'pop("port", "")', URLS),
    Mutant("decodes twice", URL, "unquote(v6 + name) if encoded else v6 + name", "unquote(v6 + name)", URLS),
    Mutant("guesses where an address ends", URL, "if not encoded and (", "if (", URLS),
    Mutant("guesses what was not encoded", URL, " or not _is_encoded(text.strip())", "", URLS),
    Mutant("shows the end of a password", URL, "told if is_name else READS", "told", URLS),
    Mutant("shows settings that it refuses", SETTINGS, ", hide_input_in_errors=True", "", URLS),
    Mutant(
        "does not check what PGHOST says", URL, 'listed, ports = os.environ.get("PGHOST") or ', "listed, ports = ", URLS
    ),
    Mutant("lets the environment redirect", CONNECTION, "direct_tls=False,", "", CONNECTIONS),
    Mutant("asks one host only", CONNECTION, "in self.url.hosts:", "in self.url.hosts[:1]:", CONNECTIONS),
    Mutant("drops options", CONNECTION, 'if name == "options"', "if False", CONNECTIONS),
]

# Noticed by servers with certificates.
TLS_MUTANTS = [
    Mutant(
        "checks no host name",
        TLS,
        'context.check_hostname = mode == "verify-full"',
        "context.check_hostname = False",
        MODES,
    ),
    Mutant(
        "takes any CA for another name",
        TLS,
        'if mode == "require" and trusted is None:',
        "if not context.check_hostname:",
        MODES,
    ),
    Mutant(
        "verifies nothing",
        TLS,
        'context.check_hostname = mode == "verify-full"\n    if mode == "require" and trusted is None:',
        "context.check_hostname = False\n    if True:",
        RUNNING,
    ),
    Mutant(
        "trusts another CA",
        TLS,
        "own or (str(ca_file) if ca_file else None)",
        "str(ca_file) if ca_file else own",
        MODES,
    ),
    Mutant("shows no certificate", TLS, "context.load_cert_chain(", "(lambda *_, **__: None)(", MODES),
    Mutant("falls back to plain text", TLS, "if mode in UNVERIFIED:", 'if mode in {*UNVERIFIED, "require"}:', MODES),
]

AT_START, BOTH_CACHES = "app/database/start.py", '"statement_cache_size": 0, "prepared_statement_cache_size": 0, '
NAMES = '"prepared_statement_name_func": lambda: f"s{__import__(\'time\').time_ns()}", '
TRANSACTIONS, SESSION_MODE = "tests/pooled/transaction_mode.py", "tests/pooled/session_mode.py"
A_COLUMN = f"{TRANSACTIONS}::test_a_column_is_read_as_what_it_has_become"
BOTH_MODES, POOLED_START = "tests/pooled/both_modes.py", "tests/pooled/start.py"

# Noticed by PgBouncer.
POOLER_MUTANTS = [
    Mutant("remembers statements", CONNECTION, BOTH_CACHES, "", TRANSACTIONS),
    Mutant("remembers the driver's statements", CONNECTION, '"statement_cache_size": 0, "pre', '"pre', TRANSACTIONS),
    Mutant("remembers the types of columns", CONNECTION, '"prepared_statement_cache_size": 0, ', "", A_COLUMN),
    Mutant("names statements and remembers them", CONNECTION, BOTH_CACHES, NAMES, TRANSACTIONS),
    Mutant("names statements", CONNECTION, BOTH_CACHES, BOTH_CACHES + NAMES, TRANSACTIONS),
    Mutant("leaves limits behind", CONNECTION, '"SET LOCAL"', '"SET"', TRANSACTIONS),
    Mutant("leaves jit behind", ENGINE, '"timezone": "UTC",', '"timezone": "UTC", "jit": "off",', TRANSACTIONS),
    Mutant("sets no limits in a transaction", CONNECTION, "{query};{self.limits}", "{query}", TRANSACTIONS),
    Mutant("sets no limits in a session", CONNECTION, "if self.profile is Profile.SESSION:", "if False:", SESSION_MODE),
    Mutant("reads in a transaction that writes", SESSION, "(postgresql_readonly=True)", "()", BOTH_MODES),
    Mutant("divides a pooler's connections", SESSION, "settings.profile is Profile.DIRECT", "True", BOTH_MODES),
    Mutant("brings limits to a pooler", CONNECTION, "if self.profile is Profile.DIRECT else {}", "", POOLED_START),
    Mutant("does not know a pooler", AT_START, "any(words in reason for words in POOLED)", "False", POOLED_START),
    Mutant("does not know its mode", AT_START, "if len(set(found)) < len(found):", "if False:", POOLED_START),
    Mutant("lets it drop limits", AT_START, 'found[0].source != "client"', "False", POOLED_START),
]
