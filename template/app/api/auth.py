"""`/auth`: register, sign in, stay signed in, sign out."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response, status
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import AfterValidator, SecretStr

from app.auth import IdentityDep, unauthorized
from app.auth.accounts import MOST_BYTES, Email, sign_in_sessions, user_by_id
from app.auth.attempts import TooManyAttemptsError, network_of
from app.auth.sign_in import SignIn, TokenPair
from app.database.session import ReadSession
from app.models.user import User
from app.schemas import Input, Output

router = APIRouter(prefix="/auth", tags=["auth"])
LEAST_CHARACTERS = 12


def _check_length(password: SecretStr) -> SecretStr:
    text = password.get_secret_value()
    if len(text) < LEAST_CHARACTERS or len(text.encode()) > MOST_BYTES:
        raise ValueError(f"has at least {LEAST_CHARACTERS} characters, and at most {MOST_BYTES} bytes")
    return password


class Registration(Input):
    """Somebody new."""

    email: Email
    password: Annotated[SecretStr, AfterValidator(_check_length)]
    """A sentence is easier to remember than signs."""


class UserRead(Output):
    """A user."""

    id: uuid.UUID
    email: str
    scopes: list[str]


class RefreshInput(Input):
    """A refresh token."""

    refresh_token: SecretStr


async def sign_in_of(request: Request) -> SignIn:
    """Return what this client can do to become somebody."""
    state = request.state
    address = network_of(request.client.host if request.client else None)
    return SignIn(sign_in_sessions(state["sessions"]), state["verifier"], state["settings"], address)


SignInDep = Annotated[SignIn, Depends(sign_in_of)]


@router.post("/register", status_code=status.HTTP_201_CREATED, response_model=UserRead)
async def register(client: SignInDep, body: Registration) -> User:
    """Become a user, who has no scope yet. Sign in afterwards."""
    try:
        return await client.register(body.email, body.password.get_secret_value())
    except TooManyAttemptsError as error:
        raise _wait(error) from None


@router.post("/token")
async def create_token(
    client: SignInDep, form: Annotated[OAuth2PasswordRequestForm, Depends()], response: Response
) -> TokenPair:
    """Sign in by e-mail address and password (OAuth2 password flow)."""
    try:
        tokens = await client.with_password(form.username, form.password, form.scopes)
    except TooManyAttemptsError as error:
        raise _wait(error) from None
    return _given(tokens, response, "E-mail address or password is wrong.")


@router.post("/refresh")
async def refresh_token(client: SignInDep, body: RefreshInput, response: Response) -> TokenPair:
    """Exchange a refresh token for a new pair. One that was used before signs out whoever has its successor."""
    tokens = await client.with_refresh_token(body.refresh_token.get_secret_value())
    return _given(tokens, response, "This refresh token cannot be used, or no longer: sign in again.")


@router.post("/sign-out", status_code=status.HTTP_204_NO_CONTENT)
async def sign_out(client: SignInDep, body: RefreshInput) -> None:
    """Make a refresh token and its successors useless. An access token is good until it expires."""
    await client.end(body.refresh_token.get_secret_value())


@router.get("/me")
async def read_me(client: SignInDep, identity: IdentityDep) -> UserRead:
    """Return who is signed in, with the scopes of this token."""
    async with client.sessions.read() as session:
        user = await user_by_id(ReadSession(session), identity.user_id)
    if user is None:
        raise unauthorized("This user is no more.", 'Bearer error="invalid_token"')
    return UserRead(id=user.id, email=user.email, scopes=sorted(identity.scopes))


def _given(tokens: TokenPair | None, response: Response, refusal: str) -> TokenPair:
    if tokens is None:
        raise unauthorized(refusal, "Bearer")
    response.headers["Cache-Control"] = "no-store"
    return tokens


def _wait(error: TooManyAttemptsError) -> HTTPException:
    return HTTPException(status.HTTP_429_TOO_MANY_REQUESTS, str(error), {"Retry-After": str(error.seconds)})
