"""File patterns as users of Java globs write them, relative to a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import TaskError


def matching(folder: Path, patterns: Sequence[str]) -> list[str]:
    """Relative paths of the files below `folder` that match any pattern, sorted.

    A pattern is a glob; a leading `glob:` or `regex:` says which syntax is meant. Links that lead outside are left out.
    """
    tests = [_compiled(pattern) for pattern in patterns]
    inside = folder.resolve()
    found = []
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not (Path(base) == folder and name == ".inputs")]
        for name in names:
            path = Path(base, name)
            relative = path.relative_to(folder).as_posix()
            if any(test.fullmatch(relative) for test in tests) and path.resolve().is_relative_to(inside):
                found.append(relative)
    return sorted(found)


def path_test(pattern: str) -> Callable[[str], bool]:
    """A test of absolute paths (`/folder/file.txt`); a glob that begins with a letter or digit fits in every folder."""
    if pattern[:1].isalnum() and not pattern.startswith(("glob:", "regex:")):
        pattern = f"**/{pattern}"
    if pattern.startswith("regex:"):
        return _matcher(_compiled(pattern))
    glob = pattern.removeprefix("glob:").removeprefix("./")
    return _matcher(re.compile(translate(glob if glob.startswith(("/", "**")) else f"/{glob}"), re.DOTALL))


def _matcher(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda path: pattern.fullmatch(path) is not None


def _compiled(pattern: str) -> re.Pattern[str]:
    if pattern.startswith("regex:"):
        try:
            return re.compile(pattern.removeprefix("regex:"))
        except re.error as error:
            raise TaskError(f"Invalid file pattern '{pattern}': {error}") from None
    glob = pattern.removeprefix("glob:")
    if glob.startswith(("/", "./", "../")) or "/../" in glob:
        raise TaskError(f"Invalid file pattern '{pattern}': only paths relative to the working directory are supported")
    return re.compile(translate(glob), re.DOTALL)


def translate(glob: str) -> str:
    """A Java glob as a regular expression: `*` stays in a folder, `**` crosses folders, `{a,b}`, `[a-z]`, `[!a]`."""
    out = []
    depth = 0
    at = 0
    while at < len(glob):
        character = glob[at]
        at += 1
        if character == "*":
            if glob.startswith("*", at):
                at += 1
                out.append(".*")
            else:
                out.append("[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "{":
            depth += 1
            out.append("(?:")
        elif character == "}" and depth:
            depth -= 1
            out.append(")")
        elif character == "," and depth:
            out.append("|")
        elif character == "[" and "]" in glob[at:]:
            end = glob.index("]", at)
            inner = glob[at:end]
            negated = inner.startswith(("!", "^"))
            out.append(f"(?!/)[{'^' if negated else ''}{re.escape(inner.lstrip('!^')).replace(chr(92) + '-', '-')}]")
            at = end + 1
        elif character == "\\" and at < len(glob):
            out.append(re.escape(glob[at]))
            at += 1
        else:
            out.append(re.escape(character))
    if depth:
        raise TaskError(f"Invalid file pattern '{glob}': a brace is not closed")
    return "".join(out)
