"""Writes the test of an execution, with its files, and runs it to see what of it holds each time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import yaml

from engine.cli import look
from engine.cli.resolve import resolve
from engine.cli.session import for_commands, session
from engine.definition.check_path import SUFFIXES, read_flow
from engine.definition.document import read_scalar, read_yaml
from engine.definition.flow_test import load_suite
from engine.errors import InvalidFlow, Refused
from engine.runtime.flow_testing.flow_tests import CaseResult, Job, run_case
from engine.runtime.flow_testing.recording import Recording, record_test
from engine.settings import load_settings

SECONDS = 60.0


async def record_to_file(id: str, out: Path | None, data: Path | None, config: Path | None) -> bool:
    """Write the test of an execution; whether it passes. Raises NotFound, Refused where the file exists."""
    console = look.stdout()
    async with session(data, config) as engine:
        chosen = await resolve(engine.store.executions, id)
        execution, _ = await engine.store.executions.head(chosen)
        if not execution.state.terminal:
            raise Refused(f"Execution '{chosen}' has not ended, its state is {execution.state}; record it when it has")
        file = out or Path(f"{execution.flow}.test.yaml")
        if file.exists():
            raise Refused(f"{file} exists: choose another file with --out")
        folder = file.parent / f"{file.name.partition('.')[0]}.files"
        recording = await record_test(engine, chosen, folder.name)
        for name, address in recording.files.items():
            await engine.files.fetch(address, folder / name)
    flow = await anyio.to_thread.run_sync(_write, file, recording)
    result = await _tried(file, recording, config)
    dropped = _drop(recording, result)
    await anyio.to_thread.run_sync(file.write_text, text_of(recording.suite), "utf-8")
    if dropped:
        result = await _tried(file, recording, config)
    console.print(f"{file}: {len(recording.suite['testCases'][0]['assertions'])} assertions", markup=False)
    notes = [*recording.notes, *(f"not asserted, for it isn't the same each time: {value}" for value in dropped)]
    notes += [f"the flow was not there, so that it was written: {flow}"] if flow else []
    for note in notes:
        console.print(f"  {note}", markup=False)
    console.print(f"{'It passes' if result.good else 'It does not pass'}: tidegate test {file}", markup=False)
    return result.good


def _write(file: Path, recording: Recording) -> Path | None:
    """Write the test, and its flow where none of that name lies beside it; returns the file of such a flow."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text_of(recording.suite), "utf-8")
        suite = recording.suite
        if any(_is_flow(beside, suite) for beside in file.parent.iterdir() if beside.suffix in SUFFIXES):
            return None
        flow = file.parent / f"{suite['flowId']}.yaml"
        with flow.open("x", encoding="utf-8") as writing:
            writing.write(recording.source)
        return flow
    except OSError as error:
        raise Refused(f"{error.filename}: the file can't be written: {error.strerror}") from None


def _is_flow(file: Path, suite: dict[str, Any]) -> bool:
    try:
        raw = read_yaml(read_flow(file)).value
    except InvalidFlow:
        return False
    return isinstance(raw, dict) and (raw.get("namespace"), raw.get("id")) == (suite["namespace"], suite["flowId"])


async def _tried(file: Path, recording: Recording, config: Path | None) -> CaseResult:
    """How the recorded case goes, alone with the flow as it was."""
    loaded = load_suite(text_of(recording.suite), str(file))
    sources = {f"{recording.suite['flowId']}.yaml": recording.source}
    with tempfile.TemporaryDirectory(prefix="tidegate-test-", ignore_cleanup_errors=True) as root:
        return await run_case(Job(file, loaded, 0, sources), for_commands(load_settings(config)), Path(root), SECONDS)


def _drop(recording: Recording, result: CaseResult) -> list[str]:
    """Take out the assertions that don't hold in another execution; returns what they were about."""
    case = recording.suite["testCases"][0]
    if len(result.asserted) != len(case["assertions"]):
        return []
    pairs = list(zip(case["assertions"], result.asserted, strict=True))
    case["assertions"] = [assertion for assertion, asserted in pairs if asserted.passed]
    return [str(assertion["value"]) for assertion, asserted in pairs if not asserted.passed]


class _Dumper(yaml.SafeDumper):
    """Writes what our reader reads back: texts that it would take for something else in quotes."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if isinstance(read_scalar(text), str) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def text_of(suite: dict[str, Any]) -> str:
    """A test as the text of its file."""
    return str(yaml.dump(suite, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
