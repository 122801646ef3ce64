"""Registering, signing in with a password, and staying signed in."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from app.auth import accounts, attempts, refresh
from app.auth.tokens import Verifier
from app.database.identity import Identity, Role
from app.database.session import Sessions, WriteSession, in_transaction
from app.models.user import User
from app.settings import Settings


class TokenPair(BaseModel):
    """What somebody who signed in holds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind of token
    expires_in: int
    """Seconds for which the access token is good."""
    refresh_token: str
    """Good for one new pair, at `/auth/refresh`."""
    scope: str
    """What the access token is good for, separated by spaces."""


@dataclass(frozen=True)
class SignIn:
    """What a client at a network address can do to become somebody."""

    sessions: Sessions
    verifier: Verifier
    settings: Settings
    address: str

    async def register(self, email: str, password: str) -> User:
        """Store a new user. Raises TooManyAttemptsError, as addresses could be tried here, too."""
        await attempts.count(self.sessions, attempts.limits_of(self.settings), self.address, attempts.EVERYBODY)
        password_hash = await accounts.hash_password(password)
        return await in_transaction(self.sessions, lambda session: accounts.add_user(session, email, password_hash))

    async def with_password(self, username: str, password: str, scopes: Collection[str]) -> TokenPair | None:
        """Return tokens with those scopes that the user has; all, if none are given. Raises TooManyAttemptsError."""
        email = _email_of(username)
        await attempts.count(self.sessions, attempts.limits_of(self.settings), self.address, email)
        user = await accounts.user_with(self.sessions, email, password)
        if user is None:
            return None
        renewed = await accounts.hash_password(password) if accounts.is_outdated(user.password_hash) else None
        granted = frozenset(user.scopes) & frozenset(scopes or user.scopes)

        async def write(session: WriteSession) -> str:
            await attempts.forgive(session, self.address, email)
            if renewed:
                await accounts.replace_hash(session, user, renewed)
            return await refresh.start_family(session, user.id, granted, self.settings.refresh_token_lifetime)

        refresh_token = await in_transaction(self.sessions, write)
        return self._pair(Identity(Role.AUTHENTICATED, user.id, granted), refresh_token)

    async def with_refresh_token(self, token: str) -> TokenPair | None:
        """Return new tokens for a refresh token, or None where it cannot be used; its family has ended then."""
        lifetime = self.settings.refresh_token_lifetime
        # Its end is committed before anybody raises: what a 401 rolls back would leave the thief signed in.
        replaced = await in_transaction(self.sessions, lambda session: refresh.replace_token(session, token, lifetime))
        return self._pair(*replaced) if replaced else None

    async def end(self, token: str) -> None:
        """End what a refresh token belongs to."""
        await in_transaction(self.sessions, lambda session: refresh.end_family(session, token))

    def _pair(self, identity: Identity, refresh_token: str) -> TokenPair:
        return TokenPair(
            access_token=self.verifier.issue(identity),
            expires_in=self.verifier.lifetime,
            refresh_token=refresh_token,
            scope=" ".join(sorted(identity.scopes)),
        )


def _email_of(username: str) -> str:
    try:
        return accounts.normal_email(username)
    except ValueError:
        return attempts.EVERYBODY  # nobody's
