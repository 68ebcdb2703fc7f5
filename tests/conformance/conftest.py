"""Reports at the end of a session how the conformance tables went."""

from __future__ import annotations

from collections import Counter
from typing import Any

from conformance import flow_cases, tables

EXPRESSIONS = "conformance/test_expressions.py"
FLOWS = "conformance/test_flows.py"
KINDS = {"passed": "passed", "failed": "failed", "error": "failed", "xfailed": "pending"}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a summary of every table that was run."""
    lines: list[str] = []
    if outcomes := _outcomes(terminalreporter, EXPRESSIONS):
        counts = Counter(outcomes.values())
        lines += tables.table("expressions").summary({shown: counts[shown] for shown in KINDS.values()})
    if outcomes := _outcomes(terminalreporter, FLOWS):
        lines += flow_cases.load_tables().report(outcomes)
    for line in lines:
        terminalreporter.write_line(line)


def _outcomes(terminalreporter: Any, file: str) -> dict[str, str]:
    """What became of each case of a file of tests, by id."""
    return {
        _case_of(report.nodeid): shown
        for kind, shown in KINDS.items()
        for report in terminalreporter.stats.get(kind, ())
        if file in report.nodeid and report.nodeid.endswith("]")
    }


def _case_of(test: str) -> str:
    return test.partition("[")[2].removesuffix("]").removeprefix("asyncio-")
