"""SQL in statements, parted as psql does it: by the semicolons outside of texts, comments, brackets and bodies."""

import re
from collections.abc import Iterator

LETTER = r"A-Za-z_\x80-\U0010ffff"
TOKEN = re.compile(
    rf"""
    (?P<space> \s+ | --[^\n]* )
    | (?P<comment> /\* )
    # A doubled quote is the end of one text and the beginning of the next; only an escape makes a difference.
    | (?P<text> [eE]'(?:[^'\\]|\\.|'')*+' (?:[^\S\n]*\n\s*'(?:[^'\\]|\\.|'')*+')*
        | '[^']*' | "[^"]*" | (?P<quote>\$(?:[{LETTER}][{LETTER}0-9]*)?\$).*?(?P=quote) )
    | (?P<open> [eE]?' | " | \$(?:[{LETTER}][{LETTER}0-9]*)?\$ )
    | (?P<word> [{LETTER}0-9][{LETTER}0-9$]* )
    | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL,
)
COMMENT = re.compile(r"/\*|\*/")
ROUTINE = re.compile(r"create (or replace )?(function|procedure) ")


def split(sql: str) -> Iterator[str]:
    """Yield the statements, without their semicolons and the comments around them. ValueError where a quote is open."""
    words, start, end = list[str](), 0, 0
    for kind, here, there in _tokens(sql):
        if kind == "space":
            continue
        if sql[here:there] == ";" and _is_whole(words):
            if words:
                yield sql[start:end]
            words = []
            continue
        start, end = (start if words else here), there
        words.append(sql[here:there].lower())
    if words:
        yield sql[start:end]


def _tokens(sql: str) -> Iterator[tuple[str, int, int]]:
    """Yield what each token is, where it begins and ends; a comment is like a space."""
    place = 0
    while token := TOKEN.match(sql, place):
        kind, here, place = str(token.lastgroup), place, token.end()
        if kind == "comment":
            kind, place = "space", _end_of_comment(sql, here)
        if kind == "open" or not place:
            raise ValueError(f"What {token[0]} opens in line {sql.count(chr(10), 0, here) + 1} is never closed.")
        yield kind, here, place


def _end_of_comment(sql: str, start: int) -> int:
    """Return where a comment ends, which may have others in it, or 0."""
    depth = 0
    for mark in COMMENT.finditer(sql, start):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    return 0


def _is_whole(words: list[str]) -> bool:
    """Whether a semicolon ends this statement: not within brackets, nor in the BEGIN ATOMIC … END of a routine."""
    if words.count("(") > words.count(")"):
        return False
    text = " ".join(words)
    if not ROUTINE.match(text) or "begin atomic" not in text:
        return True
    body = text.partition("begin atomic")[2].split()
    return body.count("end") > body.count("case")
