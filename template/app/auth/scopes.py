"""The command `grant-scope`: what a user may do, beyond what is theirs."""

import argparse
import asyncio

from app.auth import SCOPES
from app.auth.accounts import Email, normal_email, set_scopes, sign_in_sessions
from app.database.session import in_transaction, open_sessions
from app.settings import get_settings


async def change_scopes(email: Email, add: list[str], remove: list[str]) -> list[str] | None:
    """Change a user's scopes and return them, or None where there is no such user."""
    async with open_sessions(get_settings()) as sessions:
        return await in_transaction(sign_in_sessions(sessions), lambda session: set_scopes(session, email, add, remove))


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line. It holds from the next token on; tokens that were issued keep what they have."""
    parser = argparse.ArgumentParser(prog="grant-scope", description=__doc__)
    parser.add_argument("email", type=_email)
    parser.add_argument("scopes", nargs="*", metavar="scope", help=", ".join(SCOPES))
    parser.add_argument("--revoke", action="store_true", help="take them away instead")
    options = parser.parse_args(arguments)
    if unknown := set(options.scopes) - set(SCOPES):
        parser.error(f"There is no scope {', '.join(sorted(unknown))}; there are {', '.join(SCOPES) or 'none'}.")
    add, remove = ([], options.scopes) if options.revoke else (options.scopes, [])
    scopes = asyncio.run(change_scopes(options.email, add, remove))
    if scopes is None:
        parser.error(f"Nobody has registered as {options.email}.")
    print(f"{options.email} has {', '.join(scopes) or 'no scope'}.")


def _email(text: str) -> str:
    try:
        return normal_email(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main()
