"""Mistakes that somebody could make where people sign in: a single change each, and the tests that have to notice."""

from mutants import Mutant

AUTH, TOKENS, KEYS = "app/auth/__init__.py", "app/auth/tokens.py", "app/token_keys.py"
SIGN_IN, ATTEMPTS, REFRESH = "app/auth/sign_in.py", "app/auth/attempts.py", "app/auth/refresh.py"
ACCOUNTS, ROUTES = "app/auth/accounts.py", "app/api/auth.py"

# The project's own.
SIGNING_IN, OWN_TOKENS = "tests/auth/test_sign_in.py", "tests/auth/test_tokens.py"
# The template's.
HOSTILE, GUESSING = "tests/signing_in/hostile_tokens.py", "tests/signing_in/guessing.py"
REFRESHING, USERS, STARTING = (f"tests/signing_in/{name}.py" for name in ("refreshing", "accounts", "starting"))

MUTANTS = [
    # --- Access tokens ---
    Mutant("believes the algorithm", TOKENS, "[key.algorithm]", '["ES256", "HS256", "none"]', HOSTILE),
    Mutant("asks for no signature", TOKENS, '{"require"', '{"verify_signature": False, "require"', OWN_TOKENS),
    Mutant("takes any kind of token", TOKENS, ' or header.get("typ") != TYPE', "", OWN_TOKENS),
    Mutant("takes any issuer", TOKENS, "            issuer=ISSUER,\n", "", OWN_TOKENS),
    Mutant("takes tokens for others too", TOKENS, ', "strict_aud": True', "", OWN_TOKENS),
    Mutant("takes expired tokens", TOKENS, "LEEWAY = 5", "LEEWAY = 60", OWN_TOKENS),
    Mutant("needs no expiry", TOKENS, '"iat", "exp", ', '"iat", ', OWN_TOKENS),
    Mutant("needs no time of issue", TOKENS, '"iat", "exp", ', '"exp", ', OWN_TOKENS),
    Mutant(
        "verifies with its own key alone",
        TOKENS,
        "self.keys.get(header.get",
        "{self.signing.id: self.signing}.get(header.get",
        OWN_TOKENS,
    ),
    Mutant(
        "answers 500 to a token without a user", TOKENS, "jwt.PyJWTError, ValueError, ", "jwt.PyJWTError, ", OWN_TOKENS
    ),
    Mutant(
        "grants what was not asked for",
        AUTH,
        "if not identity.scopes.issuperset(scopes.scopes):",
        "if False:",
        OWN_TOKENS,
    ),
    Mutant(
        "verifies for every set of scopes",
        AUTH,
        "identity: Annotated[Identity, Depends(signed_in)]",
        "identity: Annotated[Identity, Depends(signed_in, use_cache=False)]",
        OWN_TOKENS,
    ),
    # --- Keys ---
    Mutant("takes a short secret", KEYS, "len(secret) < SECRET_BYTES or ", "", STARTING),
    Mutant("takes any curve", KEYS, "if key.curve.name != SECP256R1.name:", "if False:", STARTING),
    # --- Passwords ---
    Mutant(
        "says at once that nobody is there",
        ACCOUNTS,
        "return user if await",
        "return user if user and await",
        SIGNING_IN,
    ),
    Mutant("is quick where nobody is there", ACCOUNTS, "t={HASHER.time_cost}", "t=1", SIGNING_IN),
    Mutant("hashes cheaply", ACCOUNTS, "PasswordHasher()", "PasswordHasher(memory_cost=1024)", SIGNING_IN),
    Mutant(
        "keeps outdated hashes",
        SIGN_IN,
        "if accounts.is_outdated(user.password_hash) else None",
        "if False else None",
        SIGNING_IN,
    ),
    Mutant("hashes as many as are asked for", ACCOUNTS, "CapacityLimiter(4)", "CapacityLimiter(40)", USERS),
    Mutant("tells addresses apart by case", ACCOUNTS, ".normalized.lower()", ".normalized", SIGNING_IN),
    Mutant(
        "gives scopes for the asking",
        SIGN_IN,
        "frozenset(user.scopes) & frozenset(scopes or user.scopes)",
        "frozenset(scopes or user.scopes)",
        SIGNING_IN,
    ),
    # --- Guessing ---
    Mutant(
        "counts nothing",
        SIGN_IN,
        "        await attempts.count(self.sessions, attempts.limits_of(self.settings), self.address, email)\n",
        "",
        SIGNING_IN,
    ),
    Mutant(
        "never forgets",
        ATTEMPTS,
        "sa.case((is_over, 1), else_=SignInAttempt.failures + 1)",
        "SignInAttempt.failures + 1",
        GUESSING,
    ),
    Mutant(
        "waits longer with every attempt",
        ATTEMPTS,
        "sa.case((is_over, sa.func.now()), else_=SignInAttempt.since)",
        "sa.func.now()",
        GUESSING,
    ),
    Mutant(
        "never forgives", SIGN_IN, "            await attempts.forgive(session, self.address, email)\n", "", SIGNING_IN
    ),
    Mutant("forgives the whole network", ATTEMPTS, "failures=SignInAttempt.failures - 1", "failures=0", GUESSING),
    Mutant("locks out everybody", ATTEMPTS, "return str(address)\n", 'return ""\n', GUESSING),
    Mutant("gives every address of a network its own guesses", ATTEMPTS, "NETWORK = 64", "NETWORK = 128", SIGNING_IN),
    Mutant(
        "lets anybody register for ever",
        SIGN_IN,
        "        await attempts.count("
        "self.sessions, attempts.limits_of(self.settings), self.address, attempts.EVERYBODY)\n",
        "",
        GUESSING,
    ),
    # --- Refresh tokens ---
    Mutant("uses a token twice", REFRESH, "            RefreshToken.token_hash == _hash(secret),\n", "", SIGNING_IN),
    Mutant("leaves a thief signed in", REFRESH, "        await _end(session, family)\n", "", SIGNING_IN),
    Mutant("stores the token itself", REFRESH, "return hashlib.sha256(secret).digest()", "return secret", REFRESHING),
    Mutant("never expires", REFRESH, "            RefreshToken.expires_at > sa.func.now(),\n", "", REFRESHING),
    Mutant(
        "keeps scopes that were taken away",
        REFRESH,
        "frozenset(row.scopes) & frozenset(row.still)",
        "frozenset(row.scopes)",
        SIGNING_IN,
    ),
    Mutant("gains scopes", REFRESH, "frozenset(row.scopes) & frozenset(row.still)", "frozenset(row.still)", SIGNING_IN),
    Mutant(
        "signs nobody out",
        ROUTES,
        "    await client.end(body.refresh_token.get_secret_value())\n",
        "    del client, body\n",
        SIGNING_IN,
    ),
    Mutant(
        "lets tokens be cached",
        ROUTES,
        '    response.headers["Cache-Control"] = "no-store"\n',
        "    del response\n",
        SIGNING_IN,
    ),
]
