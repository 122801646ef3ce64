"""What has to be there before the first migration, in SQL: roles, the application's login, schemas, functions."""

from collections.abc import Iterator

from app.database.identity import Role

LOGIN = Role.SYSTEM.removesuffix("system") + "api"
ROLES = [role.value for role in Role if role is not Role.LOGIN]

CLAIMS = "nullif(current_setting('request.jwt.claims', true), '')::jsonb"  # an earlier transaction leaves ''
BODIES = {
    "current_user_id() RETURNS uuid": f"SELECT ({CLAIMS} ->> 'sub')::uuid",
    "has_scope(wanted text) RETURNS boolean": f"SELECT coalesce(({CLAIMS} -> 'scopes') ? wanted, false)",
}
# STABLE: an IMMUTABLE one would be folded into a plan that is kept, and answer for somebody else.
HOW = "LANGUAGE sql STABLE PARALLEL SAFE SET search_path = ''"

FACTS = "SELECT quote_ident(current_database()), current_setting('server_version_num'), to_regrole('supabase_admin')"
THERE = """
    SELECT 'role ' || rolname FROM pg_roles WHERE rolname = ANY(:roles) OR rolname = :login
    UNION SELECT login.rolname || ' as a member of ' || role.rolname FROM pg_roles AS role, pg_roles AS login
    WHERE role.rolname = ANY(:roles) AND login.rolname = :login AND pg_has_role(login.oid, role.oid, :way)
    UNION SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname IN ('app', 'private')
    UNION SELECT 'function private.' || proname FROM pg_proc
    WHERE pronamespace = to_regnamespace('private') AND prosrc = ANY(:bodies) AND provolatile = 's' AND NOT prosecdef
    UNION SELECT 'connections of ' || rolname FROM pg_database, aclexplode(datacl), pg_roles
    WHERE datname = current_database() AND grantee = pg_roles.oid AND privilege_type = 'CONNECT' AND rolname = :login
    UNION SELECT 'no connections of PUBLIC' WHERE NOT has_database_privilege('public', current_database(), 'CONNECT')
    UNION SELECT 'no temporary tables of PUBLIC' WHERE NOT has_database_privilege('public', current_database(), 'TEMP')
    UNION SELECT 'schema public closed to PUBLIC'
    WHERE has_schema_privilege('public', to_regnamespace('public')::oid, 'USAGE, CREATE') IS NOT TRUE
"""


def statements(login: str, database: str, way: str, *, on_supabase: bool) -> Iterator[tuple[str, str]]:
    """Yield statements in order, with the name of what they make; those without one are to be sent each time."""
    roles, options = ", ".join(ROLES), " WITH INHERIT FALSE, SET TRUE" if way == "SET" else ""
    for role in ROLES:
        yield f"role {role}", f"CREATE ROLE {role} NOLOGIN"
    yield f"role {login}", f"CREATE ROLE {login} LOGIN NOINHERIT"
    for role in ROLES:
        yield f"{login} as a member of {role}", f"GRANT {role} TO {login}{options}"
    for schema in ("app", "private"):
        yield f"schema {schema}", f"CREATE SCHEMA {schema}"
        yield "", f"GRANT USAGE ON SCHEMA {schema} TO {roles}"
    for head, body in BODIES.items():
        function = f"private.{head.partition('(')[0]}"
        yield f"function {function}", f"CREATE OR REPLACE FUNCTION private.{head} {HOW} AS $${body}$$"
        yield "", f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC"
        yield "", f"GRANT EXECUTE ON FUNCTION {function} TO {roles}"
    if not on_supabase:  # whose database and schema public are not ours
        # The roles are the server's: the login of another service could take them on here.
        yield f"connections of {login}", f"GRANT CONNECT ON DATABASE {database} TO {login}"
        yield "no connections of PUBLIC", f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"
        yield "no temporary tables of PUBLIC", f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
        yield "schema public closed to PUBLIC", "REVOKE ALL ON SCHEMA public FROM PUBLIC"
