"""README.md names what there is: every command, and every type with what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from engine.cli.app import build
from engine.definition.dialect import DIFFERENCES
from engine.plugin.describe import describe
from engine.plugin.index import installed

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL))


def commands(command: Any) -> Iterator[tuple[str, ...]]:
    """The words of every command below a group."""
    for name, below in command.commands.items():
        if hasattr(below, "commands"):
            yield from ((name, *rest) for rest in commands(below))
        else:
            yield (name,)


@pytest.mark.parametrize("words", list(commands(typer.main.get_command(build("")))), ids=" ".join)
def test_every_command_has_its_row(words: tuple[str, ...]) -> None:
    rows = [row for row in SECTIONS["Commands"].splitlines() if row.startswith(f"| `tidegate {words[0]}")]
    assert any(re.search(rf"`(tidegate {words[0]} )?{words[-1]}\b|`tidegate {' '.join(words)}\b", row) for row in rows)


def test_the_table_of_tasks_is_what_is_installed() -> None:
    described = [describe(name, plugin) for name, plugin in installed().all().items()]
    rows = [row for row in SECTIONS["Tasks"].splitlines() if row.startswith("| `")]
    assert rows == [f"| `{one.short}` | {one.title} |" for one in described]


def test_the_table_of_dialects_is_the_engine_s() -> None:
    rows = [row for row in SECTIONS["Dialects"].splitlines() if row.startswith("| ")][1:]
    assert rows == [f"| {it.place} | `{it.name}` | {it.only} | {_instead(it.instead)} |" for it in DIFFERENCES]


def _instead(name: str | None) -> str:
    return f"`{name}`" if name else ""
