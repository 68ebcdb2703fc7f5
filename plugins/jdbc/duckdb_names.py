"""File names in SQL: those that mean a file of the working directory become its full path.

DuckDB takes a relative name from the directory of the process, which is the engine's own. So a text that stands where
a file is named, and nowhere else, is replaced before the statement runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

READERS = re.compile(r"read_\w+|\w+_scan|sniff_csv|glob|parquet_\w+", re.IGNORECASE)
WRITERS = frozenset({"copy", "export"})
MAGIC = re.compile(r"[*?\[]")


class Token(NamedTuple):
    """A piece of SQL: the bytes from `start` to `end`, without the space around."""

    start: int
    end: int
    text: str


def absolute_names(sql: str, folder: Path) -> str:
    """`sql` with the names of files in `folder` written in full."""
    content = sql.encode()
    tokens = _tokens(sql, content)
    parts: list[bytes] = []
    at = 0
    for token in _file_names(tokens, folder):
        name = token.text[1:-1].replace("''", "'")
        path = str(folder / name).replace("'", "''")
        parts += [content[at : token.start], f"'{path}'".encode()]
        at = token.end
    return b"".join([*parts, content[at:]]).decode()


def _tokens(sql: str, content: bytes) -> list[Token]:
    import duckdb

    starts = [start for start, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment]
    ends = [start for start, _ in duckdb.tokenize(sql)][1:]
    known = sorted({*ends, len(content)})
    tokens = []
    for start in starts:
        end = next(found for found in known if found > start)
        text = content[start:end].decode(errors="replace").rstrip()
        tokens.append(Token(start, start + len(text.encode()), text))
    return tokens


def _file_names(tokens: list[Token], folder: Path) -> Iterator[Token]:
    """The tokens that name a file of the folder."""
    reading = [False]
    writing = False
    before = ";"
    for token in tokens:
        word = token.text.lower()
        if before == ";":
            writing = word in WRITERS
        if word in ("(", "["):
            reading.append(READERS.fullmatch(before) is not None if word == "(" else reading[-1])
        elif word in (")", "]") and len(reading) > 1:
            reading.pop()
        elif _relative(token.text) and _names_file(before, reading[-1], writing, token.text, folder):
            yield token
        before = word


def _names_file(before: str, reading: bool, writing: bool, text: str, folder: Path) -> bool:
    """Whether a text that follows the word `before` is the name of a file."""
    if before in ("(", "["):
        return reading
    if before in ("to", "database"):
        return writing
    return before == "attach" or (before in ("from", "join", ",") and _exists(text, folder))


def _relative(text: str) -> bool:
    if len(text) < 3 or not (text.startswith("'") and text.endswith("'")):
        return False
    name = text[1:-1]
    return not (name.startswith(("/", ":", "~")) or "://" in name or ".." in PurePosixPath(name).parts)


def _exists(text: str, folder: Path) -> bool:
    name = text[1:-1].replace("''", "'")
    if MAGIC.search(name):
        return next(folder.glob(name), None) is not None
    return (folder / name).is_file()
