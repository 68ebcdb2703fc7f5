"""Reports at the end of a session how the conformance tables went."""

from __future__ import annotations

from typing import Any

from conformance import tables

REPORTED = {"expressions": "conformance/test_expressions.py"}
"""Tables by name, with the file of their tests."""
KINDS = {"passed": "passed", "failed": "failed", "xfailed": "pending"}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a summary of every table that was run."""
    for name, file in REPORTED.items():
        results = {
            shown: sum(file in report.nodeid for report in terminalreporter.stats.get(kind, ()))
            for kind, shown in KINDS.items()
        }
        if any(results.values()):
            for line in tables.table(name).summary(results):
                terminalreporter.write_line(line)
