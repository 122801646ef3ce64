"""Whether Row Level Security holds: for this login, on this server, for everything in the schema `app`."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.row_security.bootstrap import BODIES, LOGIN, ROLES

BOOTSTRAP = "run `uv run --no-dev bootstrap`"
CONNECT = f"let DATABASE_URL be {LOGIN}, the login that `uv run --no-dev bootstrap` makes"

OF_LOGIN = {
    "bypassing": f"No policy applies to {{places}}: {CONNECT}.",
    "powerful": f"The login gets round policies, as it {{places}}: {CONNECT}.",
    "becoming": f"The login gets round policies, as it can become {{places}}: REVOKE that, or {CONNECT}.",
    "owning": f"The login can change policies, as it is or can become the owner of {{places}}: {CONNECT}.",
    "reaching": f"The login takes on no role to reach {{places}}: REVOKE what it was granted, and {BOOTSTRAP}.",
}
SENTENCES = OF_LOGIN | {
    "outdated": "PostgreSQL {places} can show what policies hide (CVE-2024-10976, CVE-2025-8713): update the server.",
    "missing": f"The database has no {{places}}: {BOOTSTRAP}.",
    "barred": f"The login cannot take on {{places}}: {BOOTSTRAP}.",
    "open": "{places} has row security off: run ALTER TABLE … ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY.",
    "unforced": "Policies do not hold for the owner of {places}: run ALTER TABLE … FORCE ROW LEVEL SECURITY.",
    "public": "A policy is for PUBLIC, which is every role: run ALTER POLICY … TO authenticated for {places}.",
    "unlimited": "No policy limits what was granted: REVOKE {places}, or create the policy that is missing.",
    "view": "A view shows what its owner sees: run ALTER VIEW … SET (security_invoker = true) for {places}.",
    "definer": "A function does what its owner may: run ALTER FUNCTION … SECURITY INVOKER for {places}.",
    "searching": "A function with its owner's rights runs what callers put first: SET search_path = '' for {places}.",
    "sequence": "A sequence counts everybody's rows: REVOKE ALL ON SEQUENCE {places} (identity columns need no grant).",
}

# Only catalogs that everybody may read. Parts of a table, and what was one, are nobody's to reach:
# a policy that is FORCEd would add nothing there.
HOLES = sa.text("""
    WITH version AS (SELECT current_setting('server_version_num')::int AS number),
    login AS (SELECT * FROM pg_roles WHERE rolname = current_user),
    commands (command, letter) AS (VALUES ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')),
    schemas AS (SELECT * FROM pg_namespace WHERE nspname IN ('app', 'private')),
    functions AS (SELECT pg_proc.*, nspname FROM pg_proc JOIN schemas ON schemas.oid = pronamespace),
    relations AS (
        SELECT pg_class.*, format('%I.%I', nspname, relname) AS name, relkind IN ('r', 'p') AS is_table
        FROM pg_class JOIN schemas ON schemas.oid = relnamespace
        WHERE relkind IN ('v', 'm', 'f') OR relkind IN ('r', 'p') AND nspname = 'app'
    ), granted AS (
        SELECT oid, grantee, privilege_type AS verb FROM relations, aclexplode(relacl) WHERE grantee <> relowner
        UNION SELECT attrelid, grantee, privilege_type FROM pg_attribute, aclexplode(attacl)
    ), held AS (
        SELECT relations.*, verb, coalesce(nullif(grantee, 0)::regrole::text, 'PUBLIC') AS whose, holder.oid AS holder
        FROM granted JOIN relations USING (oid) JOIN pg_roles AS holder
            ON rolname IN ('anon', 'authenticated') AND (grantee = 0 OR pg_has_role(holder.oid, grantee, 'USAGE'))
    ), holes (kind, place) AS (
        SELECT 'bypassing', rolname || CASE WHEN rolsuper THEN ', a superuser' ELSE ', which has BYPASSRLS' END
        FROM login WHERE rolsuper OR rolbypassrls
        UNION SELECT 'powerful', CASE WHEN rolcreaterole THEN 'makes roles' ELSE 'replicates' END
        FROM login WHERE (rolcreaterole OR rolreplication) AND NOT rolsuper
        UNION SELECT 'becoming', other.rolname FROM login, pg_roles AS other
        WHERE other.oid <> login.oid AND NOT login.rolsuper AND pg_has_role(other.oid, 'MEMBER')
            AND (other.rolsuper OR other.rolbypassrls OR other.rolcreaterole OR other.rolreplication
                OR other.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files',
                    'pg_read_all_data', 'pg_write_all_data'))
        UNION SELECT 'owning', name FROM relations WHERE pg_has_role(relowner, 'MEMBER')
        UNION SELECT 'owning', 'database ' || datname FROM pg_database
        WHERE datname = current_database() AND pg_has_role(datdba, 'MEMBER')
        UNION SELECT 'owning', 'schema ' || nspname FROM schemas WHERE pg_has_role(nspowner, 'MEMBER')
        UNION SELECT 'owning', oid::regprocedure::text FROM functions WHERE pg_has_role(proowner, 'MEMBER')
        UNION SELECT 'reaching', name FROM relations JOIN granted USING (oid)
        WHERE NOT pg_has_role(relowner, 'USAGE') AND (grantee = 0 OR pg_has_role(grantee, 'USAGE'))
        UNION SELECT 'outdated', current_setting('server_version') FROM version
        WHERE number < 150014 OR number / 10000 = 16 AND number < 160010 OR number / 10000 = 17 AND number < 170006
        UNION SELECT 'missing', wanted
        FROM unnest(CAST(:roles AS text[]) || '{private.current_user_id,private.has_scope}'::text[]) AS wanted
        WHERE wanted NOT IN (SELECT rolname FROM pg_roles UNION SELECT nspname || '.' || proname FROM functions
            WHERE prosrc = ANY(:bodies) AND provolatile = 's' AND NOT prosecdef)
        UNION SELECT 'barred', rolname FROM version, pg_roles
        WHERE rolname = ANY(:roles) AND NOT pg_has_role(oid, CASE WHEN number < 160000 THEN 'MEMBER' ELSE 'SET' END)
        UNION SELECT 'open', name FROM relations WHERE is_table AND NOT relrowsecurity
        UNION SELECT 'unforced', name FROM relations
        WHERE is_table AND relrowsecurity AND NOT relforcerowsecurity AND oid IN (SELECT oid FROM granted)
            AND NOT EXISTS ( -- a migration lifts it while it compares references, for nobody but the owner
                SELECT FROM pg_constraint
                WHERE contype = 'f' AND NOT convalidated AND relations.oid IN (conrelid, confrelid))
        UNION SELECT 'public', polname || ' ON ' || name FROM pg_policy JOIN relations ON polrelid = relations.oid
        WHERE polpermissive AND 0 = ANY(polroles)
        UNION SELECT 'unlimited', format('%s ON %s FROM %s', verb, name, whose)
        FROM held WHERE relkind IN ('m', 'f') OR is_table AND relrowsecurity AND NOT EXISTS (
            SELECT FROM pg_policy JOIN commands ON polcmd IN ('*', letter) WHERE polrelid = held.oid AND polpermissive
                AND command = verb
                AND EXISTS (SELECT FROM unnest(polroles) AS role WHERE role = 0 OR pg_has_role(holder, role, 'USAGE')))
        UNION SELECT 'view', name FROM held WHERE relkind = 'v' AND NOT EXISTS (
            SELECT FROM pg_options_to_table(reloptions) WHERE option_name = 'security_invoker' AND option_value::bool)
        UNION SELECT 'definer', functions.oid::regprocedure::text FROM functions, pg_roles
        WHERE prosecdef AND nspname = 'app' AND rolname IN ('anon', 'authenticated')
            AND has_function_privilege(pg_roles.oid, functions.oid, 'EXECUTE')
        UNION SELECT 'searching', oid::regprocedure::text FROM functions
        WHERE prosecdef AND coalesce(proconfig::text, '') NOT LIKE '%search_path=%'
        UNION SELECT 'sequence', format('app.%I', relname) FROM pg_class, pg_roles
        WHERE relnamespace = to_regnamespace('app') AND relkind = 'S' AND rolname IN ('anon', 'authenticated')
            AND has_sequence_privilege(pg_roles.oid, pg_class.oid, 'USAGE, SELECT, UPDATE')
    )
    SELECT kind, string_agg(place, ', ' ORDER BY place) AS places FROM holes
    WHERE kind <> 'owning' OR NOT (SELECT rolsuper FROM login) -- who is the owner of everything
    GROUP BY kind
""")


async def find_holes(connection: AsyncConnection, *, bypassing: bool = False) -> list[str]:
    """Return a sentence for each way round the policies; `bypassing` leaves out what the login itself can do."""
    rows = (await connection.execute(HOLES, {"roles": ROLES, "bodies": [*BODIES.values()]})).all()
    found = {row.kind: row.places for row in rows if not (bypassing and row.kind in OF_LOGIN)}
    return [sentence.format(places=found[kind]) for kind, sentence in SENTENCES.items() if kind in found]
