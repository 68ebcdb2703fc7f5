"""Conformance tables: where they are, which cases count, and what is known of the others.

The tables lie in the folder that TIDEGATE_CONFORMANCE names, else in `conformance` below the one that TIDEGATE_SHARED
names, else in `shared/conformance` beside the repository. Without them the tests skip and say so; where CI is true
they fail.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
Case = dict[str, Any]
OTHER = "TIDEGATE_CONFORMANCE"


def folder() -> Path:
    """The folder of the tables, which may not exist."""
    if named := os.environ.get(OTHER):
        return Path(named)
    shared = os.environ.get("TIDEGATE_SHARED")
    return (Path(shared) if shared else REPOSITORY.parent / "shared") / "conformance"


def are_others() -> bool:
    """Whether the tables are none of those that the lists beside this file are about."""
    return OTHER in os.environ


def load(name: str) -> list[Case]:
    """The cases of the tables NAME*.yaml. Skips the calling module when there is none, fails where CI is true."""
    files = sorted(folder().glob(f"{name}*.yaml"))
    if not files:
        reason = f"There is no table {name}*.yaml in {folder()}: set TIDEGATE_CONFORMANCE to the folder of tables"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason, allow_module_level=True)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [case for file in files for case in yaml.load(file.read_text(encoding="utf-8"), Loader=loader) or ()]


@dataclass
class Table:
    """The cases of one table and what became of them.

    counted: cases that must pass, or are pending with a reason
    left_out: ids of cases that don't count, by why
    """

    name: str
    counted: list[Case]
    left_out: dict[str, list[str]]
    pending: dict[str, str]

    def pending_reason(self, case: Case) -> str | None:
        return self.pending.get(case["id"])

    def summary(self, results: Mapping[str, int]) -> list[str]:
        """Lines that say how many cases passed, failed, are pending, and which are left out."""
        counts = ", ".join(f"{count} {kind}" for kind, count in results.items())
        lines = [f"{self.name}: {counts} of {len(self.counted)}"]
        lines += [f"  {len(ids)} {why}: {', '.join(ids)}" for why, ids in self.left_out.items() if ids]
        return lines


def table(name: str) -> Table:
    """Load a table with its list of pending cases, `pending_NAME.txt` beside this file: a line `id: reason` each."""
    cases = load(name)
    branch = [case["id"] for case in cases if case.get("since") == "branch"]
    superseded = [f"{case['id']} by {case['superseded_by']}" for case in cases if "superseded_by" in case]
    counted = [case for case in cases if case.get("since") != "branch" and "superseded_by" not in case]
    left_out = {"never released": branch, "superseded": superseded}
    return Table(name, counted, left_out, pending_cases(f"pending_{name}.txt", counted))


def pending_cases(file: str, cases: list[Case]) -> dict[str, str]:
    """Pending cases by id, with the reason. A line that names no case is a mistake."""
    path = Path(__file__).with_name(file)
    known = {case["id"] for case in cases}
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition(": ")
            assert reason.strip(), f"{file} gives no reason for '{name}'"
            if name in known:
                found[name] = reason.strip()
            else:
                # Other tables have other cases; the lists beside this file are about the usual ones.
                assert are_others(), f"{file} names the case '{name}', which the table does not have"
    return found
