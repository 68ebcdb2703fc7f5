"""The tests that the public client kestrapy ships, against this server: all that are about what is open-source.

`not_passing.txt` lists those that don't pass, each with the reason; one that passes must leave it.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.serving import Served, served

HERE = Path(__file__).parent
SUBJECTS = (
    "basic_sdk_usage_example", "executions_api", "executions_coverage_421", "files_api", "flows_api",
    "flows_coverage_421", "kv_api", "logs_api", "me_api", "metrics_api", "namespaces_api", "outputs_api",
    "phase4_filters_pagination_tenant", "plugins_api", "queryfilters", "triggers_api",
)  # fmt: skip
SECONDS = 60


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "data", signed_in=True) as server:
        yield server


@pytest.mark.timeout(900)
def test_the_client_s_own_tests_pass(server: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = _run(server, tmp_path / "outcomes.xml")
    known = _known()
    with capsys.disabled():
        print(_table(outcomes, known))
    failed = {name for name, outcome in outcomes.items() if outcome == "failed"}
    assert failed - known.keys() == set(), "they fail, and nothing says why"
    passed = {name for name, outcome in outcomes.items() if outcome == "passed"}
    assert known.keys() & passed == set(), "they pass: take them off the list"
    assert known.keys() <= outcomes.keys(), "there are no such tests"


def _run(server: Served, report: Path) -> dict[str, str]:
    """What became of each test, by `subject::name`."""
    found = importlib.util.find_spec("testApis")
    assert found is not None, "the test dependencies bring kestrapy"
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0])
    files = [str(folder / f"test_{subject}.py") for subject in SUBJECTS]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "replaced_login", "-p", "no:cacheprovider"]
    command += ["-c", "/dev/null", f"--rootdir={folder}", f"--timeout={SECONDS}", f"--junitxml={report}", *files]
    environment = {**server.environment, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=800)
    assert report.exists(), ran.stdout + ran.stderr
    return {_name(case): _outcome(case) for case in ElementTree.parse(report).iter("testcase")}


def _name(case: ElementTree.Element) -> str:
    """`subject::test`, without the class that the test may stand in."""
    module = next(part for part in case.attrib["classname"].split(".") if part.startswith("test_"))
    return f"{module.removeprefix('test_')}::{case.attrib['name']}"


def _outcome(case: ElementTree.Element) -> str:
    told = {child.tag for child in case}
    return "failed" if told & {"failure", "error"} else "skipped" if "skipped" in told else "passed"


def _known() -> dict[str, str]:
    """Reasons by test."""
    lines = (HERE / "not_passing.txt").read_text().splitlines()
    pairs = [line.split(": ", 1) for line in lines if line and not line.startswith("#")]
    return dict(pairs)


def _table(outcomes: Mapping[str, str], known: Mapping[str, str]) -> str:
    counts = Counter((name.partition("::")[0], outcome) for name, outcome in outcomes.items())
    kinds = ("passed", "failed", "skipped")
    rows = [f"\n{'kestrapy':36}" + "".join(f"{kind:>9}" for kind in kinds)]
    rows += [f"{subject:36}" + "".join(f"{counts[subject, kind]:9}" for kind in kinds) for subject in SUBJECTS]
    totals = Counter(outcomes.values())
    rows.append(f"{'all':36}" + "".join(f"{totals[kind]:9}" for kind in kinds))
    rows += [f"  {count} not passing: {reason}" for reason, count in Counter(known.values()).most_common()]
    return "\n".join(rows)
