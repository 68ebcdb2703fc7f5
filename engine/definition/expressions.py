"""Checks the syntax of the expressions in a flow, without rendering them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.definition.collect import Collector
from engine.definition.diagnostic import Path
from engine.definition.dialect import BRANCHES
from engine.definition.templates import holds_template
from engine.errors import ExpressionError
from engine.expressions.parser import parse

NOT_RENDERED = frozenset({"id", "type", "description", "version"})


def check_expressions(raw: dict[str, Any], collector: Collector) -> None:
    """Warn of every expression whose syntax is wrong: it fails the task that renders it, and only then."""
    _warn(rendered_texts(raw), collector)


def check_texts(value: Any, path: Path, collector: Collector) -> None:
    """The same for every text of a value that stands at a path."""
    _warn(_texts(value, path), collector)


def _warn(texts: Iterator[tuple[Path, str]], collector: Collector) -> None:
    for path, text in texts:
        try:
            parse(text, _free)
        except ExpressionError as error:
            line = f" (line {error.line} of the text)" if error.line and "\n" in text.strip() else ""
            collector.warn(path, f"the expression can't be read: {error.reason}{line}", "expression")


def _free(cost: int) -> None:
    """Reading the expressions of a flow is bounded by the size of its file."""


def rendered_texts(raw: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Every text of a flow that is rendered and has something to render, with its place."""
    for branch in BRANCHES:
        yield from _texts(raw.get(branch), (branch,))
    for name, properties in (
        ("listeners", ("tasks",)),
        ("outputs", ("value",)),
        ("inputs", ("defaults", "expression", "dependsOn", "inputs")),
        ("sla", ("assert",)),
        ("checks", ("condition", "when")),
    ):
        items = raw.get(name)
        for place, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                for below in properties:
                    yield from _texts(item.get(below), (name, place, below))


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Texts with templates in a value, in their order."""
    todo: list[tuple[Any, Path]] = [(value, path)]
    while todo:
        value, path = todo.pop()
        if isinstance(value, str) and holds_template(value):
            yield path, value
        elif isinstance(value, dict):
            below = [(item, (*path, name)) for name, item in value.items() if name not in NOT_RENDERED]
            todo.extend(reversed(below))
        elif isinstance(value, list):
            todo.extend((item, (*path, index)) for index, item in reversed(list(enumerate(value))))
