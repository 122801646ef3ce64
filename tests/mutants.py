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
PAGES, LINKS, PRODUCTS = "app/queries/__init__.py", "app/queries/links.py", "app/queries/product.py"
SCHEMAS, MODEL, REVISION = "app/schemas/__init__.py", "app/models/product.py", "alembic/versions/0001_create_tables.py"

COMMIT, SWALLOWED, CAUSED = "tests/proofs/commit.py", "tests/proofs/swallowed.py", "tests/proofs/errors.py"
CONTENTION, OUTAGES, LOST = "tests/proofs/contention.py", "tests/proofs/outages.py", "tests/proofs/lost_connections.py"
TIMEOUTS, SESSIONS, VERSIONS = "tests/proofs/timeouts.py", "tests/proofs/sessions.py", "tests/proofs/versions.py"
PERMISSIONS, PLANS, LINES = "tests/proofs/permissions.py", "tests/proofs/plans.py", "tests/proofs/logs.py"
START, ITS_SCHEMA, ITS_BASE = "tests/proofs/start.py", "tests/test_schema.py", "tests/database/test_base.py"
LISTS, ROWS, VALUES = (f"tests/contract/test_{name}.py" for name in ("lists", "rows", "values"))

MUTANTS = [
    # --- Sessions ---
    Mutant("commits after the answer", SESSION, 'write_session, scope="function"', "write_session", COMMIT),
    Mutant("reads until after the answer", SESSION, 'read_session, scope="function"', "read_session", SESSIONS),
    Mutant("lets a failed flush pass", SESSION, "if not transaction.is_active:", "if False:", SWALLOWED),
    Mutant("lets a used session live on", SESSION, "close_resets_only=False", "close_resets_only=True", SESSIONS),
    Mutant("forgets rows at commit", SESSION, "expire_on_commit=False, ", "", ROWS),
    Mutant("leaves connections open", SESSION, "await write.dispose()", "pass", START),
    Mutant("leaves reading connections open", SESSION, "await read.dispose()", "pass", START),
    Mutant("never retries", SESSION, "not in RETRYABLE or attempt == attempts", "is not None", CONTENTION),
    Mutant("retries everything", SESSION, "sqlstate(error) not in RETRYABLE or attempt", "attempt", CONTENTION),
    Mutant("retries for ever", SESSION, " or attempt == attempts:", ":", CONTENTION),
    # --- Guards of a connection ---
    Mutant("lets a failed statement pass", GUARDS, 'if connection.info.get("failed"):', "if False:", SWALLOWED),
    Mutant("remembers another's failure", GUARDS, '@event.listens_for(sync, "begin")\n', "\n", CAUSED),
    Mutant("refuses after a savepoint", GUARDS, '@event.listens_for(sync, "rollback_savepoint")\n', "\n", SWALLOWED),
    Mutant("asks a lost connection", GUARDS, "if not connection.invalidated:", "if True:", LOST),
    Mutant("never pings", GUARDS, "< IDLE_SECONDS", "< 1e9", LOST),
    Mutant("always pings", GUARDS, "< IDLE_SECONDS", "< 0", LOST),
    Mutant("does not listen for idleness", ENGINE, "ping_after_idle(engine)", "pass", LOST),
    Mutant("hands on a half-open transaction", ENGINE, "discard_unfinished(engine)", "pass", SESSIONS),
    # --- Engines ---
    Mutant("reads on a connection that can write", ENGINE, '"on" if read_only else "off"', '"off"', SESSIONS),
    Mutant("reads in a transaction", ENGINE, '"AUTOCOMMIT" if read_only else None', "None", SESSIONS),
    Mutant("logs values", ENGINE, "hide_parameters=True", "hide_parameters=False", LINES),
    Mutant("waits too long for the pool", ENGINE, "pool_timeout=settings.pool_timeout", "pool_timeout=5", TIMEOUTS),
    Mutant("opens more connections", ENGINE, "max_overflow=settings.max_overflow", "max_overflow=10", TIMEOUTS),
    Mutant("waits for a silent server", ENGINE, '"timeout": settings.connect_timeout', '"timeout": 5', TIMEOUTS),
    Mutant("waits for silence", ENGINE, '"command_timeout": settings.statement_timeout + 1,', "", TIMEOUTS),
    Mutant("never ends a statement", ENGINE, 'f"{settings.statement_timeout}s"', '"5s"', TIMEOUTS),
    Mutant("never gives up a lock", ENGINE, 'f"{settings.lock_timeout}s"', '"5s"', TIMEOUTS),
    Mutant("never ends idleness", ENGINE, 'f"{settings.idle_in_transaction_timeout}s"', '"0"', TIMEOUTS),
    Mutant("raises bare OSErrors", ENGINE, "raise DatabaseUnavailableError from error", "raise", OUTAGES),
    # --- Errors ---
    Mutant("retries no deadlock", ERRORS, '{"40001", "40P01"}', '{"40001"}', CONTENTION),
    Mutant("blames the wrong row", ERRORS, '.startswith("DELETE")', '.startswith("INSERT")', CAUSED),
    Mutant("blames another table's field", ERRORS, " and failure is not STILL_REFERENCED", "", CAUSED),
    Mutant("blames the client for our division", ERRORS, '"22012": INTERNAL,', '"22012": INVALID,', CAUSED),
    Mutant("calls missing rights forbidden", ERRORS, " if checked else INTERNAL", "", PERMISSIONS),
    Mutant("calls a policy our error", ERRORS, "FORBIDDEN if checked else ", "", PERMISSIONS),
    Mutant("forgets dropped connections", ERRORS, "if error.connection_invalidated:", "if False:", LOST),
    Mutant("forgets prepared statements", ERRORS, "if isinstance(error, NotSupportedError)", "if False", LOST),
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
    Mutant("makes no version of links", PRODUCTS, 'flag_modified(row, "updated_at")', "pass", VERSIONS),
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
]
