"""Mistakes about Supabase Auth: a single change each, and the project's own tests that have to notice."""

from mutants import Mutant

TOKENS, KEYS, USERS = "app/auth/tokens.py", "app/auth/jwks.py", "app/auth/users.py"
REGISTERED, AUTH, SUPABASE = "app/auth/registered.py", "app/auth/__init__.py", "app/database/supabase.py"
OF_TOKENS, OF_KEYS, OF_SUPABASE = (
    "tests/auth/test_supabase_auth.py",
    "tests/auth/test_jwks.py",
    "tests/database/test_supabase.py",
)

MUTANTS = [
    # --- Tokens ---
    Mutant("believes any issuer", TOKENS, "audience=AUDIENCE, issuer=self.issuer", "audience=AUDIENCE", OF_TOKENS),
    Mutant(
        "believes any audience",
        TOKENS,
        '{"require": REQUIRED}',
        '{"verify_aud": False, "require": REQUIRED}',
        OF_TOKENS,
    ),
    Mutant("believes tokens for ever", TOKENS, '"aud", "exp", "iat"', '"aud", "iat"', OF_TOKENS),
    Mutant("believes what has expired", TOKENS, "LEEWAY = 5", "LEEWAY = 500_000_000", OF_TOKENS),
    Mutant(
        "believes what has no signature",
        TOKENS,
        '{"require": REQUIRED}',
        '{"verify_signature": False, "require": REQUIRED, "verify_aud": True, "verify_iss": True, "verify_exp": True}',
        OF_TOKENS,
    ),
    Mutant("has a secret by default", TOKENS, "if secret else None)", 'if secret else "x" * 32)', OF_TOKENS),
    Mutant("takes any role", TOKENS, 'ROLES[claims["role"]]', "Role.AUTHENTICATED", OF_TOKENS),
    Mutant(
        "gives the scopes that users write",
        TOKENS,
        'claims.get("app_metadata")',
        'claims.get("app_metadata") or claims.get("user_metadata")',
        OF_TOKENS,
    ),
    Mutant("gives scopes to anonymous users", TOKENS, "frozenset() if is_anonymous else ", "", OF_TOKENS),
    Mutant("takes strange scopes", TOKENS, " and SCOPE.fullmatch(scope)", "", OF_TOKENS),
    Mutant("takes anonymous users for others", TOKENS, "is not False", "is True", OF_TOKENS),
    Mutant("lets anonymous users pass", REGISTERED, "if identity.is_anonymous:", "if False:", OF_TOKENS),
    Mutant("says 401 where keys are missing", TOKENS, "(jwt.PyJWTError, ", "(OSError, jwt.PyJWTError, ", OF_TOKENS),
    # --- Keys ---
    Mutant("keeps keys for ever", KEYS, "if self._age > LATE:", "if False:", OF_KEYS),
    Mutant(
        "uses old keys for ever",
        KEYS,
        "if self._age > GOOD:\n            raise",
        "if False:\n            raise",
        OF_KEYS,
    ),
    Mutant("uses no old keys", KEYS, "GOOD = 3600", "GOOD = LATE", OF_KEYS),
    Mutant("asks at every request", KEYS, "FRESH = 300", "FRESH = -1", OF_KEYS),
    Mutant("asks for every unknown key", KEYS, "COOLDOWN if self._age < GOOD else RETRY", "0", OF_KEYS),
    Mutant("never asks for a new key", KEYS, "COOLDOWN if self._age < GOOD else RETRY", "GOOD", OF_KEYS),
    Mutant(
        "takes secrets for keys", KEYS, '{"EC": "ES256", "RSA": "RS256"}', '{"EC": "ES256", "oct": "HS256"}', OF_KEYS
    ),
    # --- Settings ---
    Mutant("takes keys in plain text", SUPABASE, 'project.scheme != "https"', "False", OF_SUPABASE),
    Mutant("takes a short secret", SUPABASE, "SHORTEST_SECRET = 32", "SHORTEST_SECRET = 0", OF_SUPABASE),
]
# With a table of our own for users.
OF_USERS = [
    Mutant("stores nobody", AUTH, "    await users.see(identity)\n", "", OF_TOKENS),
    Mutant(
        "stores everybody once",
        USERS,
        'on_conflict_do_update(index_elements=[User.id], set_={"email": new.excluded.email}, where=differs)',
        "on_conflict_do_nothing()",
        OF_TOKENS,
    ),
    Mutant(
        "stores nobody twice",
        USERS,
        'return new.on_conflict_do_update(index_elements=[User.id], set_={"email": new.excluded.email}, where=differs)',
        "return new",
        OF_TOKENS,
    ),
]
