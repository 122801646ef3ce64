"""Sends requests to a project's application, as a user of its tests, and prints what it answers.

They come as JSON, each as [method, path, body]; `$0` is the id that the first answer has given.
"""

import asyncio
import contextlib
import importlib
import json
import os
import re
import sys
from typing import Any

from tests import support


def main() -> None:
    user, requests = sys.argv[1:]
    headers = {"If-Match": "*"}
    with contextlib.ExitStack() as stack:
        if hasattr(support, "KNOWN"):
            os.environ["TOKEN_PRIVATE_KEY"] = getattr(support, "PRIVATE_KEY", "")
            if issuer := getattr(support, "ISSUER", None):
                os.environ["SUPABASE_URL"] = issuer.url
                stack.enter_context(issuer.serving())
            headers |= support.headers_of(support.KNOWN[user])
        print(json.dumps(asyncio.run(send_all(json.loads(requests), headers))))


async def send_all(requests: list[list[Any]], headers: dict[str, str]) -> list[Any]:
    create_app = importlib.import_module("app.main").create_app  # only now: settings are read with it
    answers: list[Any] = []
    async with support.started(create_app()) as (client, _):
        for request in requests:
            method, path, body = json.loads(with_ids(json.dumps(request), answers))
            answer = await client.request(method, path, json=body, headers=headers)
            answers.append(answer.json())
            if answer.is_error:
                sys.exit(f"{method} {path}: {answer.status_code} {answer.text}")
    return answers


def with_ids(text: str, answers: list[Any]) -> str:
    return re.sub(r"\$(\d+)", lambda match: answers[int(match[1])]["id"], text)


main()
