"""The runner of the conformance tables looks at every structured field: each is right once and wrong once here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import flow_checks, flow_definitions, flow_inputs, flow_runner

REPOSITORY = Path(__file__).parents[2]
SAMPLES = yaml.safe_load(Path(__file__).with_name("right_and_wrong.yaml").read_text(encoding="utf-8"))
SUMMARY = re.compile(r"^(PASSED|FAILED|XFAIL) \S+\[asyncio-(\S+)\]", re.MULTILINE)


def start_of(name: str) -> dict[str, Any]:
    """Flow and start of a case, by the name of its flow or of its steps."""
    flow, start = SAMPLES["steps"].get(name, [name, {"execute": {}}])
    called = [SAMPLES["flows"]["plain"]] if flow == "calls" else []
    return {"flow_yaml": [SAMPLES["flows"][flow], *called], "start": start}


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Cases by id, which ends with `-right` or `-wrong`."""
    for area, samples in SAMPLES.items():
        for field, sample in () if area in ("flows", "steps", "prose", "unshown") else samples.items():
            first, *values = sample
            for verdict, value in zip(("right", "wrong"), values, strict=True):
                case = {"area": "samples", **MAKERS[area](first, field, value)}
                yield f"{area}-{field}-{verdict}", case


MAKERS: Mapping[str, Any] = {
    "execution": lambda name, field, value: {
        **start_of(name),
        "expect": {field: value, **({"state": "RETRYING"} if name == "waiting" else {})},
    },
    "task_run": lambda name, field, value: {
        **start_of(name),
        "expect": {"tasks": {task: {field: item} for task, item in value.items()}},
    },
    "under_a_value": lambda name, field, value: {**start_of(name), "expect": {"task_runs_by_value": value}},
    "refusal": lambda name, field, value: {**start_of(name), "expect": {field: value}},
    "validation": lambda name, field, value: {
        "kind": "validation",
        "flow_yaml": [SAMPLES["flows"][name]],
        "start": {"validate": {}},
        "expect": {field: value},
    },
    "task": lambda task, field, value: {"kind": "task", "start": {"task": task}, "expect": {field: value}},
    "inputs": lambda given, field, value: {"kind": "unit", "start": {"read_inputs": given}, "expect": {field: value}},
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What became of each sample, by id."""
    folder = tmp_path_factory.mktemp("tables")
    tables = [{"id": id, **case} for id, case in (*cases(), *SAMPLES["prose"].items())]
    for case in tables:
        if "flow" in case:
            case.update({**start_of(case.pop("flow")), **case})
    half = len(tables) // 2
    # A folder of tables may have any number of them.
    (folder / "flows.yaml").write_text(yaml.safe_dump(tables[:half]))
    (folder / "flows-more.yaml").write_text(yaml.safe_dump(tables[half:]))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/conformance/test_flows.py", "-n0", "-rA", "-p", "no:cacheprovider",
         "--basetemp", str(tmp_path_factory.mktemp("runner"))],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=55,
        env={**os.environ, "TIDEGATE_CONFORMANCE": str(folder)},
    )  # fmt: skip
    found = {id: outcome for outcome, id in SUMMARY.findall(done.stdout)}
    assert found.keys() == {case["id"] for case in tables}, done.stdout
    counts = re.search(r"^flows: .*", done.stdout, re.MULTILINE)
    assert counts is not None
    assert f"{sum(outcome == 'FAILED' for outcome in found.values())} failed" in counts[0]
    return found


@pytest.mark.timeout(90)
def test_exactly_the_wrong_expectations_fail(outcomes: dict[str, str]) -> None:
    expected = {id: "PASSED" if id.endswith("-right") else "FAILED" for id, _ in cases()}
    assert {id: outcomes[id] for id in expected} == expected


def test_what_a_case_says_in_prose_or_in_unknown_fields_is_pending_by_name(outcomes: dict[str, str]) -> None:
    assert {id: outcomes[id] for id in SAMPLES["prose"]} == dict.fromkeys(SAMPLES["prose"], "XFAIL")


@pytest.mark.parametrize(
    ("area", "checked"),
    [
        ("execution", {*flow_checks.CHECKS, *flow_runner.OF_OTHERS}),
        ("task_run", {*flow_checks.RUN_CHECKS, "count", "outputs_of_each"}),
        ("refusal", set(flow_runner.ERRORS)),
        ("validation", set(flow_definitions.CHECKS)),
        ("inputs", {*flow_inputs.CLAIMS, "error_contains"}),
    ],
)
def test_every_field_that_the_runner_knows_is_shown(area: str, checked: set[str]) -> None:
    lacking = checked - SAMPLES[area].keys() - SAMPLES["unshown"].keys()
    assert not lacking, "give each of these a right and a wrong value in right_and_wrong.yaml"
