"""Mistakes about whose rows are whose: a single change each, and the project's own tests that have to notice."""

from mutants import Mutant

# Every way in which rows of one owner can be tied to those of another.
TABLES = [
    "Shelf/shelves +shared name:str(40):unique",
    "Room +shared name:str(40) shelves:Shelf[]",
    "Customer name:str(40) email:str(80):unique",
    "Tag label:str(20) parent:Tag:null",
    "Invoice number:str(20) customer:Customer:cascade shelf:Shelf:restrict tags:Tag[] shelves:Shelf[]",
    "Entry +partitioned(at) at:datetime invoice:Invoice:cascade",
]

ACCESS, POLICY_TESTS = "tests/contract/test_access.py", "tests/contract/test_policies.py"

RULES, IDENTITY, AUTH = "app/database/access.py", "app/database/identity.py", "app/auth/__init__.py"
ROUTES, SHELF_ROUTES, BODY = "app/api/customer.py", "app/api/shelf.py", "app/schemas/customer.py"
QUERIES, CUSTOMER_QUERIES = "app/queries/__init__.py", "app/queries/customer.py"
CUSTOMER, INVOICE, ROOM = "app/models/customer.py", "app/models/invoice.py", "app/models/room.py"
ENGINE, CONNECTION, SESSION = (f"app/database/{name}.py" for name in ("engine", "connection", "session"))
DEPENDENCIES, BASE = "app/api/__init__.py", "app/database/base.py"
BINDING = POLICIES = "app/database/row_security/__init__.py"
FUNCTIONS = "app/database/row_security/bootstrap.py"

THE_SYSTEM = '__import__("app.database.identity").database.identity.SYSTEM'
BELIEVE = (
    '    if claimed := request.headers.get("X-User-Id"):\n'
    '        return Identity("authenticated", __import__("uuid").UUID(claimed))\n'
)
CUSTOMER_KEY = '["owner_id", "customer_id"], ["customers.owner_id", "customers.id"]'
TAG_KEY = '["owner_id", "tag_id"], ["tags.owner_id", "tags.id"]'

# With Row Level Security and without it: routes, query functions and keys.
FIRST_WALL = [
    Mutant("reads what is another's", RULES, "if issubclass(model, Owned) and", "if False and", ACCESS),
    Mutant("writes what is another's", RULES, "if isinstance(row, Owned) and", "if False and", ACCESS),
    Mutant("knows no scopes", RULES, "identity.check_scope(model.__scope__)", "pass", ACCESS),
    Mutant("serves nobody in particular", IDENTITY, "not in {Role.AUTHENTICATED, Role.SYSTEM}", "is None", ACCESS),
    Mutant("takes any scope for the one", IDENTITY, "scope not in self.scopes", "not self.scopes", ACCESS),
    Mutant("reads any row by its id", QUERIES, ", readable(identity, model)).options", ").options", ACCESS),
    Mutant("locks what may only be read", QUERIES, "writable(identity, model))", "readable(identity, model))", ACCESS),
    Mutant("locks any row", QUERIES, ", writable(identity, model))", ")", ACCESS),
    Mutant("saves any row", QUERIES, "    check_writable(identity, row)\n    if sa", "    if sa", ACCESS),
    Mutant("deletes any row", QUERIES, "    check_writable(identity, row)\n    await", "    await", ACCESS),
    Mutant("lists all rows", CUSTOMER_QUERIES, "readable(identity, Customer), ", "", ACCESS),
    Mutant("lists as the system", ROUTES, "identity, query)", f"{THE_SYSTEM}, query)", ACCESS),
    Mutant("stores for nobody", CUSTOMER_QUERIES, "owner_id=identity.user_id, ", "", ACCESS),
    Mutant("asks for no scope", SHELF_ROUTES, 'require_scope("shelves:write")', "require_scope()", ACCESS),
    Mutant("believes a header", AUTH, "    verifier: Verifier =", f"{BELIEVE}    verifier: Verifier =", ACCESS),
    Mutant("lets everybody in", AUTH, 'raise unauthorized("Sign in first.", "Bearer")', f"return {THE_SYSTEM}", ACCESS),
    Mutant("looks for no scope", AUTH, "if not identity.scopes.issuperset(scopes.scopes):", "if False:", ACCESS),
    Mutant(
        "lets a body say whose it is",
        BODY,
        "    name: str = Field(max_length=40)\n",
        "    name: str = Field(max_length=40)\n    owner_id: object = None\n",
        ACCESS,
    ),
    Mutant("refers to anybody's row", INVOICE, CUSTOMER_KEY, '["customer_id"], ["customers.id"]', ACCESS),
    Mutant("links to anybody's row", INVOICE, TAG_KEY, '["tag_id"], ["tags.id"]', ACCESS),
    Mutant("lets one user take a value from all", CUSTOMER, '"owner_id", "email"', '"email"', ACCESS),
]


def declared(name: str, old: str, new: str, noticed_by: str = POLICY_TESTS) -> Mutant:
    """A mistake in what is declared about every table."""
    return Mutant(name, POLICIES, old, new, noticed_by)


ENABLE = "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
REVOKE = 'yield f"REVOKE ALL ON app.{table} FROM PUBLIC"'
GRANT = 'yield f"GRANT {commands} ON app.{table} TO {role}"'
INVOICE_TAGS = '"tag_id"),\n    info={"policies": owner_policies()}'
VIEW = (
    'yield f"CREATE {kind} app.all_{{table}} AS TABLE app.{{table}}"\n    '
    'yield f"GRANT SELECT ON app.all_{{table}} TO authenticated"'
)

# With Row Level Security: what PostgreSQL is told.
SECOND_WALL = [
    # --- Who a transaction is for ---
    Mutant("binds nobody", ENGINE, "    bind_identity(engine)\n", "", POLICY_TESTS),
    Mutant("begins for nobody", BINDING, "if identity is None or adapter", "if adapter", POLICY_TESTS),
    Mutant("autocommits", BINDING, " or adapter.autocommit:", ":", POLICY_TESTS),
    Mutant("lends the last one's identity", BINDING, ".identity = None  # the last", ".no = None  # the", POLICY_TESTS),
    Mutant("keeps the role", BINDING, "'{identity.role}', true)", "'{identity.role}', false)", POLICY_TESTS),
    Mutant("keeps the claims", BINDING, "'UTF8'), true)", "'UTF8'), false)", POLICY_TESTS),
    Mutant("takes on no role", BINDING, "'role', '{identity.role}'", "'application_name', 'no'", POLICY_TESTS),
    Mutant("brings no claims", BINDING, "'request.jwt.claims'", "'request.jwt.claim'", POLICY_TESTS),
    Mutant(
        "is who was there first",
        BINDING,
        ".identity = statement_of(identity)",
        '.identity = connection.info.setdefault("first", statement_of(identity))',
        POLICY_TESTS,
    ),
    Mutant("does not send who it is", CONNECTION, "{self.limits}{self.identity}", "{self.limits}", POLICY_TESTS),
    Mutant("sends who it is not", CONNECTION, "if self.identity is None:", "if False:", POLICY_TESTS),
    Mutant(
        "binds only what writes",
        SESSION,
        "return Sessions(*engines)",
        f"return Sessions(next(engines), self.reader.execution_options(identity={THE_SYSTEM}))",
        POLICY_TESTS,
    ),
    Mutant(
        "writes as the system",
        DEPENDENCIES,
        'open_transaction(request.state["sessions"].of(identity))',
        f'open_transaction(request.state["sessions"].of({THE_SYSTEM}))',
        POLICY_TESTS,
    ),
    Mutant(
        "reads as the system",
        DEPENDENCIES,
        'sessions: Sessions = request.state["sessions"].of(identity)',
        f'sessions: Sessions = request.state["sessions"].of({THE_SYSTEM})',
        POLICY_TESTS,
    ),
    # --- Policies ---
    declared(
        "shows all rows", '"SELECT", Role.AUTHENTICATED, using=IS_OWNER', '"SELECT", Role.AUTHENTICATED, using="true"'
    ),
    declared(
        "stores for anybody", 'check=IS_OWNER),\n        Policy("owner_u', 'check="true"),\n        Policy("owner_u'
    ),
    declared("changes all rows", "using=IS_OWNER, check=IS_OWNER", 'using="true", check=IS_OWNER'),
    declared("gives rows away", "using=IS_OWNER, check=IS_OWNER", 'using=IS_OWNER, check="true"'),
    declared(
        "removes all rows", '"DELETE", Role.AUTHENTICATED, using=IS_OWNER', '"DELETE", Role.AUTHENTICATED, using="true"'
    ),
    declared(
        "has no policy for a verb",
        '        Policy("owner_delete", "DELETE", Role.AUTHENTICATED, using=IS_OWNER),\n',
        "",
        ACCESS,
    ),
    declared(
        "adds without the scope",
        'check=may_write),\n        Policy("writer_u',
        'check="true"),\n        Policy("writer_u',
    ),
    declared("changes without the scope", "using=may_write, check=may_write", 'using="true", check="true"'),
    declared(
        "removes without the scope",
        '"DELETE", Role.AUTHENTICATED, using=may_write',
        '"DELETE", Role.AUTHENTICATED, using="true"',
    ),
    declared(
        "hides what is shared",
        '"reader_select", "SELECT", Role.AUTHENTICATED',
        '"reader_select", "SELECT", Role.SYSTEM',
        ACCESS,
    ),
    declared("takes everybody for an owner", "owner_id = (SELECT", "owner_id <> (SELECT"),
    declared("lets users be the system", '"ALL", Role.SYSTEM', '"ALL", Role.AUTHENTICATED'),
    declared("is for every role", " TO {self.role}{using}", "{using}"),
    # --- Tables and what was granted on them ---
    declared("leaves row security off", ENABLE, "FORCE ROW LEVEL SECURITY"),
    declared("does not bind the owner", ENABLE, "ENABLE ROW LEVEL SECURITY"),
    declared("lets PUBLIC in", REVOKE, 'yield f"GRANT SELECT ON app.{table} TO PUBLIC"'),
    declared("lets the login in", GRANT, 'yield f"GRANT {commands} ON app.{table} TO {role}, shop_api"'),
    declared("grants everything", GRANT, 'yield f"GRANT ALL ON app.{table} TO {role}"'),
    declared("grants what no policy is for", GRANT, 'yield f"GRANT SELECT, TRIGGER ON app.{table} TO {role}, anon"'),
    declared("gives tables to the login", REVOKE, 'yield f"ALTER TABLE app.{table} OWNER TO shop_api"'),
    declared("shows rows through a view", REVOKE, VIEW.format(kind="VIEW")),
    declared("shows a copy of rows", REVOKE, VIEW.format(kind="MATERIALIZED VIEW")),
    Mutant("acts for its owner", BASE, "LANGUAGE plpgsql AS ", "LANGUAGE plpgsql SECURITY DEFINER AS ", POLICY_TESTS),
    Mutant(
        "forgets the policies of links", INVOICE, INVOICE_TAGS, INVOICE_TAGS.replace("owner_policies()", "()"), ACCESS
    ),
    Mutant(
        "takes another scope for links", ROOM, '_policies("rooms:write")', '_policies("shelves:write")', POLICY_TESTS
    ),
    # --- What policies ask ---
    Mutant("asks what nobody sets", FUNCTIONS, "'request.jwt.claims', true", "'request.jwt.claim', true", POLICY_TESTS),
    Mutant("has every scope", FUNCTIONS, "? wanted, false)", "? wanted, false) OR true", POLICY_TESTS),
    Mutant(
        "has any scope", FUNCTIONS, "({CLAIMS} -> 'scopes') ? wanted", "({CLAIMS} -> 'scopes') <> '[]'", POLICY_TESTS
    ),
]

REVISION, SCHEMA = "alembic/versions/0001_create_tables.up.sql", "tests/test_schema.py"
OWN = "owner_id = (SELECT private.current_user_id())"

# With Row Level Security and revisions by hand: what a revision says of one table among all.
IN_REVISIONS = [
    Mutant(
        "leaves it off", REVISION, f"app.customers {ENABLE}", "app.customers FORCE ROW LEVEL SECURITY", POLICY_TESTS
    ),
    Mutant(
        "does not bind the owner",
        REVISION,
        f"customers {ENABLE}",
        f"customers {ENABLE.split(',', maxsplit=1)[0]}",
        POLICY_TESTS,
    ),
    Mutant(
        "forgets a policy",
        REVISION,
        f"CREATE POLICY owner_delete ON app.customers FOR DELETE TO authenticated USING ({OWN});\n",
        "",
        POLICY_TESTS,
    ),
    Mutant(
        "is for every role",
        REVISION,
        "owner_select ON app.customers FOR SELECT TO authenticated ",
        "owner_select ON app.customers FOR SELECT ",
        POLICY_TESTS,
    ),
    Mutant(
        "checks nothing new",
        REVISION,
        f"owner_insert ON app.customers FOR INSERT TO authenticated WITH CHECK ({OWN})",
        "owner_insert ON app.customers FOR INSERT TO authenticated WITH CHECK (true)",
        POLICY_TESTS,
    ),
    Mutant(
        "does not say what it checks",
        REVISION,
        f"owner_update ON app.customers FOR UPDATE TO authenticated USING ({OWN}) WITH CHECK ({OWN})",
        f"owner_update ON app.customers FOR UPDATE TO authenticated USING ({OWN})",
        SCHEMA,
    ),
    Mutant(
        "asks once a row",
        REVISION,
        f"owner_select ON app.customers FOR SELECT TO authenticated USING ({OWN})",
        "owner_select ON app.customers FOR SELECT TO authenticated USING (owner_id = private.current_user_id())",
        SCHEMA,
    ),
    Mutant(
        "grants it to the login",
        REVISION,
        "ON app.customers TO authenticated",
        "ON app.customers TO authenticated, shop_api",
        POLICY_TESTS,
    ),
    Mutant(
        "grants more than there are policies for",
        REVISION,
        "GRANT SELECT, INSERT, UPDATE, DELETE ON app.customers TO authenticated",
        "GRANT ALL ON app.customers TO authenticated",
        POLICY_TESTS,
    ),
    Mutant(
        "refers to anybody's row",
        REVISION,
        "(owner_id, customer_id) REFERENCES app.customers (owner_id, id)",
        "(customer_id) REFERENCES app.customers (id)",
        ACCESS,
    ),
    Mutant("lets one user take a value from all", REVISION, "UNIQUE (owner_id, email)", "UNIQUE (email)", ACCESS),
]
