"""The command `token`: an access token of the issuer that runs with `dev`, for `Authorization: Bearer`."""

import argparse
import os
import sys
from pathlib import Path

from app.auth import SCOPES
from dev.database import run_on_database
from dev.issuer import KEY, Environment, key_of, running_url
from dev.postgres import PostgresError
from dev.supabase_auth import Issuer
from dev.users import SAMPLE, store, user_with

PROJECT = Path(__file__).resolve().parent.parent
HOURS = 12


def main() -> None:
    """Print a token, and nothing else, on standard output."""
    os.chdir(PROJECT)
    os.environ.setdefault("ENVIRONMENT", "development")
    options = _parse_options()
    if options.stored:
        store(user_with(options.email, frozenset(options.scope)))
        return
    if configured := Environment().supabase_url:
        sys.exit(f"SUPABASE_URL is set: sign in at {configured} to get a token.")
    if not (url := running_url()):
        sys.exit("Start `uv run dev` in another terminal first: what it runs issues the tokens.")
    user = user_with(options.email, frozenset(options.scope))
    try:
        run_on_database([sys.executable, "-m", "dev.token", "--stored", *sys.argv[1:]])
    except PostgresError as error:
        sys.exit(str(error))
    print(Issuer(url, key_of(KEY)).token(user, hours=HOURS))


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="token", description=__doc__)
    parser.add_argument("--email", default=SAMPLE)
    parser.add_argument("--scope", nargs="*", default=sorted(SCOPES), help="every scope that there is, if not given")
    parser.add_argument("--stored", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
