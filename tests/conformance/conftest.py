"""Reports at the end of a session how the conformance tables went."""

from __future__ import annotations

import sys
from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a summary of every table that was loaded."""
    # The module is named by how the test modules import it; it is not there when none was run.
    tables = sys.modules.get("conformance.tables")
    for table in tables.TABLES if tables else ():
        for line in table.summary():
            terminalreporter.write_line(line)
