"""Cases about scripts, run by the Process task runner."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from conformance.bench import Bench
from conformance.flow_matching import difference
from engine.state.execution import TaskRun

PROCESS = {"type": "io.kestra.plugin.core.runner.Process"}
STORED = "kestra:///io/kestra/tests/scripts/stored.txt"


async def _shell(bench: Bench, commands: list[str], **properties: Any) -> tuple[TaskRun, list[str]]:
    """Run commands; the task run and its log lines."""
    task = {"id": "script", "type": "io.kestra.plugin.scripts.shell.Commands", "taskRunner": PROCESS}
    flow = {"id": "script", "namespace": "io.kestra.tests", "tasks": [{**task, "commands": commands, **properties}]}
    stored = await bench.engine.control.save_flow(json.dumps(flow))
    id = await bench.create(stored, {}, {}, raw=False)
    await bench.engine.control.wait(id, wholly=True)
    run = next(iter((await bench.record(id)).runs.values()))
    return run, [line.message for line in await bench.lines(id)]


async def _ok(bench: Bench) -> list[str]:
    unit = bench.case["start"]["unit"]
    run, _ = await _shell(bench, unit["commands"], interpreter=unit["interpreter"])
    return _problems({"exitCode": (run.outputs or {}).get("exitCode")}, bench.case["expect"]["result"])


async def _without_output_folder(bench: Bench) -> list[str]:
    run, lines = await _shell(bench, [*bench.case["start"]["unit"]["commands"], 'echo "[$OUTPUT_DIR]"'])
    return _problems([(run.outputs or {}).get("exitCode"), lines[-1:]], [0, ["[]"]])


async def _files(bench: Bench) -> list[str]:
    stored = await bench.engine.files.put(STORED, b"Hello from internal storage\n")
    wanted = bench.case["expect"]["result"]["output files"]
    run, lines = await _shell(
        bench,
        [
            "cat stored.txt",
            "cat here.txt",
            "printf 'Hello World' > output.txt",
            "printf 'file from output dir' > {{ outputDir }}/file.txt",
            "mkdir -p {{ outputDir }}/nested",
            "printf 'nested file from output dir' > {{ outputDir }}/nested/file.txt",
            """echo '::{"outputs":{"logOutput":"Hello World"}}::'""",
        ],
        inputFiles={"stored.txt": stored.address, "here.txt": "Hello World\n"},
        outputFiles=["output.txt"],
        outputDirectory=True,
    )
    outputs = run.outputs or {}
    files = {name: await _content(bench, uri) for name, uri in outputs.get("outputFiles", {}).items()}
    found = {"files": files, "lines": lines[:2], "vars": outputs.get("vars"), "exitCode": outputs.get("exitCode")}
    lines_wanted = bench.case["expect"]["result"]["stdout lines are not stderr"]
    vars_wanted = bench.case["expect"]["result"]["outputs"]
    return _problems(found, {"files": wanted, "lines": lines_wanted, "vars": vars_wanted, "exitCode": 0})


async def _content(bench: Bench, uri: str) -> str:
    return b"".join([chunk async for chunk in bench.engine.files.read(uri)]).decode()


async def _long_outputs(bench: Bench) -> list[str]:
    text = "a" * 10_000
    run, _ = await _shell(bench, [f"""echo '::{{"outputs":{{"someOutput":"{text}"}}}}::'""", "printf 'the end'"])
    return _problems((run.outputs or {}).get("vars"), {"someOutput": text})


async def _argv(bench: Bench) -> list[str]:
    """What the interpreter gets, by one that writes it to the log."""
    _, lines = await _shell(bench, ["command"], interpreter=["echo"], beforeCommands=["beforeCommand"], failFast=False)
    return _problems("\n".join(lines), bench.case["expect"]["result"][1])


async def _carriage_returns(bench: Bench) -> list[str]:
    one = "".join(f"{'1' * length}\\r" for length in (100, 800, 2000))
    _, lines = await _shell(bench, [f"printf '{one * 3}'", "echo another line"])
    return _problems(len(lines), bench.case["expect"]["result"]["stdout_count"])


def _problems(value: object, wanted: object) -> list[str]:
    problem = difference(value, wanted, {})
    return [problem] if problem else []


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "script-run-ok": _ok,
    "script-commands": _argv,
    "script-output-dir-disabled": _without_output_folder,
    "script-input-output-files": _files,
    "script-outputs-line-long": _long_outputs,
    "script-carriage-returns-split-lines": _carriage_returns,
}
