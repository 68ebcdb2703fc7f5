"""`tidegate test …`: tests of flows, and making one of an execution."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer
from typer.core import TyperGroup

from engine.cli.options import Config, Data, Flows, Json
from engine.cli.session import for_commands, run_async
from engine.errors import Refused
from engine.settings import Settings, load_settings

if TYPE_CHECKING:
    from engine.runtime.flow_testing.flow_tests import CaseResult, Job


class RunsByDefault(TyperGroup):
    """A group whose command `run` is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=RunsByDefault,
    help="Run tests of flows, `tidegate test FLOW_OR_FOLDER…`, or make one of an execution.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("run")
def run(
    paths: Annotated[list[Path], typer.Argument(help="Flows, files of tests, or folders of them.", exists=True)],
    chosen: Annotated[
        str | None, typer.Option("--filter", help="Only tests whose `suite.case` holds this text or fits this pattern.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write a JUnit report there.", dir_okay=False)] = None,
    as_json: Json = False,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="How many at once.")] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds that a case may take.")] = 60.0,
    flows: Flows = None,
    config: Config = None,
) -> None:
    """Run the tests beside flows, each case in a data folder that is thrown away. Exit code: 1 when one fails."""
    began = monotonic()
    settings = for_commands(load_settings(config))
    found = _jobs(paths, flows, chosen, settings)
    results = run_async(lambda: _run_all(found, settings, jobs or 2 * (os.cpu_count() or 1), timeout))
    _report(results, monotonic() - began, as_json, junit)
    raise typer.Exit(0 if all(result.good for result in results) else 1)


@app.command("record")
def record(
    id: Annotated[str, typer.Argument(help="Execution id or its beginning, or `last`.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write, by default FLOW.test.yaml.", dir_okay=False)
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a test of an execution: what came from outside as fixtures, states and outputs as assertions."""
    from engine.cli.test_record import record_to_file

    raise typer.Exit(0 if run_async(lambda: record_to_file(id, out, data, config)) else 1)


def _jobs(paths: Sequence[Path], flows: Path | None, chosen: str | None, settings: Settings) -> list[Job]:
    """What is to run. Raises InvalidFlow with every mistake, Refused where nothing is left."""
    from engine.definition.find_tests import find_tests
    from engine.definition.rules import rules_of
    from engine.errors import InvalidFlow
    from engine.plugin.index import installed
    from engine.runtime.flow_testing.flow_tests import Job

    found = find_tests(paths, flows, installed(), rules_of(settings))
    if found.mistakes:
        raise InvalidFlow(found.mistakes)
    if not found.suites:
        raise Refused("There are no tests there: a file of tests is named *.test.yaml or holds `testCases:`")
    jobs = [
        Job(suite.file, suite.loaded, number, suite.sources)
        for suite in found.suites
        for number, case in enumerate(suite.loaded.suite.test_cases)
        if chosen is None or _fits(f"{suite.loaded.suite.id}.{case.id}", chosen)
    ]
    if not jobs:
        raise Refused(f"No test fits --filter {chosen}")
    return jobs


def _fits(name: str, chosen: str) -> bool:
    return chosen in name or fnmatchcase(name, chosen)


async def _run_all(jobs: Sequence[Job], settings: Settings, at_once: int, timeout: float) -> list[CaseResult]:
    """How each went, in their order."""
    from engine.cli.faults import watch_logs
    from engine.runtime.flow_testing.flow_tests import run_case

    watch_logs()
    results: dict[int, CaseResult] = {}
    limiter = anyio.CapacityLimiter(at_once)

    async def run_one(number: int, root: Path) -> None:
        async with limiter:
            results[number] = await run_case(jobs[number], settings, root, timeout)

    with tempfile.TemporaryDirectory(prefix="tidegate-test-", ignore_cleanup_errors=True) as root:
        async with anyio.create_task_group() as group:
            for number in range(len(jobs)):
                group.start_soon(run_one, number, Path(root))
    return [results[number] for number in range(len(jobs))]


def _report(results: Sequence[CaseResult], seconds: float, as_json: bool, junit: Path | None) -> None:
    from engine.cli import look, test_report

    if junit is not None:
        try:
            junit.write_bytes(test_report.junit(results, seconds))
        except OSError as error:
            raise Refused(f"--junit {junit}: the file can't be written: {error.strerror}") from None
    if as_json:
        sys.stdout.write(f"{look.as_json([test_report.as_map(result) for result in results])}\n")
    else:
        test_report.show(look.stdout(), results, seconds)
