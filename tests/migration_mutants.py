"""Mistakes about running revisions: a single change each, and the proof that has to notice."""

from mutants import Mutant

RUNNER, GUARDS = "migrate/runner.py", "migrate/guards.py"
ERRORS = "app/database/errors.py"
COMMAND, ENV = "migrate/command.py", "alembic/env.py"


def proof(file: str, words: str) -> str:
    """Return which proof that is."""
    return f"tests/migrating/{file}.py::test_{words.replace(' ', '_')}"


TWO = proof("at_once", "the second of two deployments waits and each revision runs once")
ENDED = proof("at_once", "one that is ended leaves neither lock nor half a revision")
AGAIN = proof("at_once", "where somebody holds a lock it steps back and tries again")
SHARED = proof("at_once", "the statements of a transaction share the time to wait for locks")
GIVES_UP = proof("at_once", "it gives up after some attempts and nothing has changed")
PATIENT = proof("at_once", "concurrently waits longer as nobody waits behind it")
AFTERWARDS = proof("at_once", "what follows concurrently is not as patient")
TOO_LONG = proof("at_once", "a statement that takes too long is ended and not repeated")
IN_A_LOOP = proof("connections", "in a loop that runs")
HANDED_OVER = proof("connections", "a connection handed over is afterwards as it was")
WITHIN = proof("connections", "within a transaction everything is a part of it")
POOLED = proof("connections", "a transaction pooler is refused and one in session mode is not")
UNNAMED = proof("gate", "without its name nothing at all changes")
BACK = proof("gate", "taking back is asked for twice")
ELSEWHERE = proof("gate", "development is asked too where the server is elsewhere")
HEADS = proof("commands", "two heads are named with the command that merges them")
SQL = proof("commands", "the sql for somebody else needs no database and does the same")
DOWN = proof("commands", "going down says what goes and asks")
IRREVERSIBLE = proof("commands", "what is irreversible is refused before anything else goes")
ERROR = proof("commands", "an error is one sentence without values and takes its revision back")

WAIT = 'connection.scalar(sa.text(f"SELECT pg_advisory_lock({LOCK})"))'
CHECK = "        check_steps(steps, self.settings, self.connection"
GIVE_UP = "if sqlstate(error) != LOCK_NOT_AVAILABLE or attempt == ATTEMPTS:"
RESTORE = "_set(connection, before, nested=nested)"
OF_REVISION = 'getattr(step.revision.module, "irreversible", None)'

MUTANTS = [
    # --- One migrator at a time ---
    Mutant("waits in a statement", GUARDS, "pause(POLL)", WAIT, TWO),
    Mutant("takes no lock", GUARDS, "SELECT pg_try_advisory_lock({LOCK})", "SELECT true", TWO),
    Mutant("waits for ever", GUARDS, "if time.monotonic() > give_up:", "if False:", TWO),
    Mutant("does what another has done", RUNNER, "remaining = self._plan()", "remaining = steps", TWO),
    Mutant("keeps the lock", GUARDS, "SELECT pg_advisory_unlock({LOCK})", "SELECT true", HANDED_OVER),
    Mutant("goes on without its client", GUARDS, 'f"{settings.client_check_interval}s"', '"0"', ENDED),
    # --- Limits ---
    Mutant("waits for locks", GUARDS, "seconds = max(", "seconds = 0 * max(", GIVES_UP),
    Mutant("gives each statement all the time", GUARDS, " - (self.started - self.since)", "", SHARED),
    Mutant("never tries again", RUNNER, GIVE_UP, "if True:", AGAIN),
    Mutant("tries anything again", RUNNER, GIVE_UP, "if attempt == ATTEMPTS:", ERROR),
    Mutant("never ends a statement", GUARDS, "{settings.migration_statement_timeout * 1000:.0f}ms", "0", TOO_LONG),
    Mutant("breaks CONCURRENTLY off", GUARDS, "seconds = self.settings.migration_wait", "pass", PATIENT),
    Mutant("is always patient", GUARDS, "if CONCURRENTLY.match(statement):", "if adapter.autocommit:", AFTERWARDS),
    Mutant("leaves limits behind", GUARDS, f"        raise\n    {RESTORE}", "        raise", HANDED_OVER),
    Mutant("leaves limits behind errors", GUARDS, f"            {RESTORE}", "            pass", HANDED_OVER),
    # --- The gate ---
    Mutant("asks nobody", GUARDS, 'if settings.environment == "development" and url.is_local:', "if True:", UNNAMED),
    Mutant(
        "takes any name", GUARDS, "settings.confirm_migration != database", "not settings.confirm_migration", UNNAMED
    ),
    Mutant("prepares first", RUNNER, CHECK, f"        prepare(self.connection); self._commit()\n{CHECK}", UNNAMED),
    Mutant("believes that it develops", GUARDS, " and url.is_local:", ":", ELSEWHERE),
    Mutant("takes back untold", GUARDS, "if down and not told:", "if False:", BACK),
    Mutant("takes back what is irreversible", GUARDS, OF_REVISION, "None", IRREVERSIBLE),
    Mutant("takes back without a question", COMMAND, 'config.attributes["ask"] = ask', "pass", DOWN),
    # --- What it says ---
    Mutant("tells values", ERRORS, 'type(driver).__name__ if sqlstate(error)[:2] == "22" else ', "", ERROR),
    Mutant("tells rows", ERRORS, 'str(driver).partition("\\n")[0]', "str(driver)", ERROR),
    Mutant("chooses a head", "migrate/__init__.py", "get_heads()) > 1:", "get_heads()) > 2:", HEADS),
    Mutant("writes with a database only", ENV, "read_settings(MigrationSettings)", "get_settings()", SQL),
    # --- Connections ---
    Mutant("commits for its caller", RUNNER, "nested=connection.in_transaction()", "nested=False", WITHIN),
    Mutant("keeps Alembic's view", ENV, "connection.dialect.default_schema_name = first", "pass", HANDED_OVER),
    Mutant("starts a loop in a loop", ENV, "elif is_in_a_loop():", "elif False:", IN_A_LOOP),
    Mutant("knows no pooler", ENV, "await refuse_transaction_pooler(connection, settings)", "pass", POOLED),
]
