"""The tables of flows: which cases count, what is known of the others, and what a case starts with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from conformance import tables
from engine.definition.inputs import Upload

TABLES = "flows"
LINES = re.compile(r"text file of (\d+) lines")
REPEATED = re.compile(r"'(.)' \* (\d+)")
REMOVED = "<removed>"
RANDOM = "<random>"


class Unbound(Exception):
    """A part of a case that the runner has no meaning for: prose without a binding, or a service that isn't there."""


@dataclass(frozen=True)
class FlowTables:
    """All cases of the tables of flows.

    superseded: old id to the id of the newer case that counts in its place; not run
    deviating: id to the reason for which the engine does something else on purpose
    pending: id to the reason for which the case can't pass yet
    """

    cases: Mapping[str, tables.Case]
    superseded: Mapping[str, str]
    deviating: Mapping[str, str]
    pending: Mapping[str, str]

    @cached_property
    def counted(self) -> list[tables.Case]:
        """The cases that are run."""
        return [case for case in self.cases.values() if case["id"] not in self.superseded]

    def reason(self, case: tables.Case) -> str | None:
        """Why a case isn't expected to pass."""
        return self.deviating.get(case["id"]) or self.pending.get(case["id"])

    def report(self, outcomes: Mapping[str, str]) -> list[str]:
        """Lines that say by kind and area how the cases went. `outcomes`: passed, failed or pending by case id."""
        rows: dict[tuple[str, str], Counter[str]] = {}
        total: Counter[str] = Counter()
        for case in self.cases.values():
            outcome = self._outcome(case["id"], outcomes)
            if outcome is not None:
                rows.setdefault((kind_of(case), case["area"]), Counter())[outcome] += 1
                total[outcome] += 1
        lines = [f"flows: {_counts(total)} of {len(self.cases)}"]
        lines += [f"  {kind:11} {area:18} {_counts(rows[kind, area])}" for kind, area in sorted(rows)]
        lines += [f"  superseded: {old} by {new}" for old, new in self.superseded.items()]
        lines += [f"  deviating: {id}: {reason}" for id, reason in self.deviating.items()]
        return lines

    def _outcome(self, id: str, outcomes: Mapping[str, str]) -> str | None:
        if id in self.superseded:
            return "superseded"
        outcome = outcomes.get(id)
        return "deviating" if outcome == "pending" and id in self.deviating else outcome


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.items())


def load_tables() -> FlowTables:
    """Every table that is there; the calling module is skipped when none is."""
    cases = tables.load(TABLES)
    by_id = {case["id"]: case for case in cases}
    assert len(by_id) == len(cases), "an id stands twice in the tables"
    named = {case["id"]: case["superseded_by"] for case in cases if "superseded_by" in case}
    return FlowTables(
        cases=by_id,
        superseded=named | tables.pending_cases("superseded_flows.txt", cases),
        deviating=tables.pending_cases("deviating_flows.txt", cases),
        pending=tables.pending_cases("pending_flows.txt", cases),
    )


def kind_of(case: tables.Case) -> str:
    return str(case.get("kind", "flow"))


def sources(case: tables.Case) -> list[str]:
    """Texts of the flows of a case, the one that is started first."""
    folder = tables.folder() / "flows"
    files = [(folder / name).read_text(encoding="utf-8") for name in case.get("flows", ())]
    return [text.replace(RANDOM, "random") for text in (*case.get("flow_yaml", ()), *files)]


def flow_id(source: str) -> tuple[str, str]:
    """Namespace and id that a source text says."""
    raw = yaml.load(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return str(raw["namespace"]), str(raw["id"])


def steps(case: tables.Case) -> list[dict[str, Any]]:
    start = case["start"]
    return list(start) if isinstance(start, list) else [start]


def expand_inputs(raw: Any, cases: Mapping[str, tables.Case], folder: Path) -> dict[str, Any]:
    """Inputs as a person would give them: the base filled in, files written below `folder`, repeated texts written out.

    Raises Unbound for files that are only described.
    """
    given = dict(raw or {})
    base = given.pop("$base", None)
    if base is not None:
        first = steps(cases[str(base).partition(" ")[0]])[0]
        inputs = next(part["inputs"] for part in first.values() if isinstance(part, dict) and "inputs" in part)
        given = {**inputs, **given}
    return {name: _input(value, name, folder) for name, value in given.items() if value != REMOVED}


def _input(value: Any, name: str, folder: Path) -> Any:
    if isinstance(value, str) and (repeated := REPEATED.fullmatch(value)):
        return repeated[1] * int(repeated[2])
    if isinstance(value, dict) and value.keys() <= {"file", "file_path"}:
        path = folder / (Path(value["file_path"]).name if "file_path" in value else f"{name}.txt")
        path.write_text(_content(str(value.get("file", "content"))), encoding="utf-8")
        return Upload(path)
    return value


def _content(described: str) -> str:
    if lines := LINES.match(described):
        return "".join(f"{number:>20}\n" for number in range(int(lines[1])))
    return "" if described in ("empty file", "0 bytes") else described
