"""How tests of flows went: for people, and as a JUnit report."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape

from engine.cli import look
from engine.cli.columns import Columns
from engine.durations import duration_words
from engine.runtime.flow_testing.flow_tests import Asserted, CaseResult, Outcome

STYLES = {
    Outcome.PASSED: "[green]✓ PASSED[/]",
    Outcome.FAILED: "[red]✗ FAILED[/]",
    Outcome.ERROR: "[red]✗ ERROR[/]",
    Outcome.SKIPPED: "[bright_black]- SKIPPED[/]",
}
# What XML 1.0 has no way to say.
UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def show(console: Console, results: Sequence[CaseResult], seconds: float) -> None:
    """Print a line for each case, what is wrong with those that didn't pass, and how many there are of each sort."""
    table = Columns("", "result", "test", "case", "execution", "took")
    for result in results:
        state = look.state(result.state) if result.state else ""
        took = duration_words(int(result.seconds * 1000))
        table.add_row(STYLES[result.outcome], escape(result.suite), escape(result.case), state, took)
    console.print(table)
    for result in results:
        if not result.good:
            console.print(f"\n[red]✗ {escape(result.suite)}.{escape(result.case)}[/] {escape(result.description)}")
            console.print("\n".join(f"  {line}" for line in problems(result)), markup=False)
    counts = Counter(result.outcome for result in results)
    told = ", ".join(f"{counts[outcome]} {outcome.lower()}" for outcome in Outcome if counts[outcome])
    console.print(f"\n{told} in {seconds:.2f} s")


def problems(result: CaseResult) -> list[str]:
    """What is wrong with a case, in lines."""
    lines = result.error.splitlines()
    for one in result.asserted:
        if not one.passed:
            lines += _problem(result, one)
    return [*lines, *(f"log: {line}" for line in result.lines)]


def _problem(result: CaseResult, one: Asserted) -> Iterator[str]:
    yield f"{result.file}:{one.line}: {' '.join(one.expression.split())} {one.operator}"
    if one.description:
        yield f"  {one.description}"
    if one.problem:
        yield f"  {one.problem}"
    expected, actual = _lines(one.expected), _lines(one.actual)
    if len(expected) > 1 and len(actual) > 1:
        yield from (f"  {line}" for line in difflib.unified_diff(expected, actual, "expected", "actual", lineterm=""))
    else:
        yield from _aligned("expected", expected)
        yield from _aligned("actual", actual)


def _aligned(name: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"  {name:8}  {lines[0]}"
    yield from (f"  {'':8}  {line}" for line in lines[1:])


def _lines(value: Any) -> list[str]:
    """A value in JSON; a text of several lines as it is."""
    if isinstance(value, str) and "\n" in value.strip():
        return value.splitlines()
    return look.as_json(value).splitlines()


def as_map(result: CaseResult) -> dict[str, Any]:
    """A result for programs."""
    return {**result._asdict(), "asserted": [one._asdict() for one in result.asserted]}


def junit(results: Sequence[CaseResult], seconds: float) -> bytes:
    """A JUnit report, a test suite for each file of tests."""
    root = ElementTree.Element("testsuites", _counts(results, seconds))
    for file in dict.fromkeys(result.file for result in results):
        cases = [result for result in results if result.file == file]
        suite = ElementTree.SubElement(
            root, "testsuite", {"name": cases[0].suite, **_counts(cases, sum(case.seconds for case in cases))}
        )
        for case in cases:
            _case(suite, case)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _counts(results: Sequence[CaseResult], seconds: float) -> dict[str, str]:
    counts = Counter(result.outcome for result in results)
    return {
        "tests": str(len(results)),
        "failures": str(counts[Outcome.FAILED]),
        "errors": str(counts[Outcome.ERROR]),
        "skipped": str(counts[Outcome.SKIPPED]),
        "time": f"{seconds:.3f}",
    }


def _case(suite: ElementTree.Element, result: CaseResult) -> None:
    names = {"classname": f"{result.flow}.{result.suite}", "name": result.case, "file": result.file}
    case = ElementTree.SubElement(suite, "testcase", {**names, "time": f"{result.seconds:.3f}"})
    if result.outcome is Outcome.SKIPPED:
        ElementTree.SubElement(case, "skipped")
    elif not result.good:
        lines = [UNSPEAKABLE.sub("\ufffd", line) for line in problems(result)]
        kind = "failure" if result.outcome is Outcome.FAILED else "error"
        ElementTree.SubElement(case, kind, {"message": lines[0] if lines else ""}).text = "\n".join(lines)
