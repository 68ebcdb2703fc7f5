"""Python scripts as real processes, in environments made by uv; packages come from wheels made here."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import anyio
import pytest

from engine.plugin.testing import TestRun, run_task
from engine.runtime.engine import open_engine
from engine.settings import Settings
from engine.store.rows import LogLine
from plugins.script.python import Commands, Script, with_json_names
from support.running import messages, start

PROCESS = {"type": "core.runner.Process"}
METADATA = "Metadata-Version: 2.1\nName: tidedemo\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class Seen:
    """Waits for a log line."""

    def __init__(self, message: str) -> None:
        self._message = message
        self.event = anyio.Event()

    def look(self, line: LogLine) -> None:
        if line.message == self._message:
            self.event.set()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package that can be installed."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "tidedemo-1.0-py3-none-any.whl", "w") as file:
        file.writestr("tidedemo.py", "answer = 42\n")
        file.writestr("tidedemo-1.0.dist-info/METADATA", METADATA)
        file.writestr("tidedemo-1.0.dist-info/WHEEL", WHEEL)
        file.writestr("tidedemo-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return "tidedemo"


async def script(source: str, **properties: object) -> TestRun:
    return await run_task(Script, {"taskRunner": PROCESS, "script": source, **properties})


async def test_a_script_prints_and_hands_over() -> None:
    ran = await script(
        "import json, sys\nprint('out')\nprint('bad', file=sys.stderr)\n"
        "print('::' + json.dumps({'outputs': {'sum': 1 + 1, 'name': __name__}}) + '::')"
    )
    assert ran.state == "SUCCESS", ran.messages
    assert ran.outputs == {"vars": {"sum": 2, "name": "__main__"}, "exitCode": 0, "outputFiles": {}}
    assert sorted((line.level, line.message) for line in ran.logs) == [("ERROR", "bad"), ("INFO", "out")]


async def test_an_exception_fails_with_the_script_s_own_traceback() -> None:
    ran = await script("def work():\n    raise ValueError('wrong')\nwork()")
    assert (ran.state, ran.outputs["exitCode"]) == ("FAILED", 1)
    assert "ValueError: wrong" in ran.messages
    assert any("line 2, in work" in message for message in ran.messages)
    assert ran.messages[-1] == "Command failed with exit code 1"


async def test_the_exit_code_is_the_script_s() -> None:
    ran = await script("raise SystemExit(3)")
    assert ran.messages[-1] == "Command failed with exit code 3"


async def test_files_go_in_and_out_and_the_script_is_none_of_them() -> None:
    ran = await script(
        "import helper\nopen('out.txt', 'w').write(helper.text + open('in.txt').read())",
        inputFiles={"in.txt": "in", "helper.py": "text = 'helped '"},
        outputFiles=["*.txt", "**.py"],
    )
    assert ran.state == "SUCCESS", ran.messages
    kept = {name: ran.files[uri] for name, uri in ran.outputs["outputFiles"].items()}
    assert kept == {"helper.py": b"text = 'helped '", "in.txt": b"in", "out.txt": b"helped in"}


async def test_a_list_of_records_is_a_literal() -> None:
    ran = await run_task(
        Script,
        {
            "taskRunner": PROCESS,
            "script": "data = {{ vars.body | jq('.products') | first }}\nprint(len(data), data[0], data[1]['ok'])",
        },
        variables={"body": '{"products": [{"ok": true, "notes": ["it\'s \\"so\\"", null]}, {"ok": false}]}'},
    )
    assert ran.messages == ["2 {'ok': True, 'notes': ['it\\'s \"so\"', None]} False"]


async def test_before_commands_run_in_the_same_shell_and_what_they_install_is_there(package: str) -> None:
    ran = await script(
        "import os, tidedemo\nprint(tidedemo.answer, os.environ['X'])",
        beforeCommands=["export X=1", f"pip install {package}"],
    )
    assert ran.state == "SUCCESS", ran.messages
    assert ran.messages[-1] == "42 1"


async def test_dependencies_are_installed(package: str) -> None:
    ran = await script("import tidedemo\nprint(tidedemo.answer)", dependencies=[package])
    assert ran.messages == ["42"]
    ran = await run_task(
        Commands,
        {
            "taskRunner": PROCESS,
            "dependencies": [package],
            "inputFiles": {"main.py": "import sys, tidedemo\nprint(tidedemo.answer, sys.argv[1])"},
            "commands": ["python main.py {{ vars.x }}"],
        },
        variables={"x": "arg"},
    )
    assert ran.messages == ["42 arg"]


async def test_a_package_that_is_none_is_said(package: str) -> None:
    ran = await script("print(1)", dependencies=[f"{package}-missing"])
    assert ran.state == "FAILED"
    assert any(f"{package}-missing" in message for message in ran.messages)
    assert not any("Traceback" in message for message in ran.messages)


async def test_scripts_see_neither_the_engine_s_packages_nor_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_HIDDEN", "secret")
    ran = await script(
        "import importlib.util, os\nprint(importlib.util.find_spec('msgspec'), os.environ.get('TIDEGATE_HIDDEN'))"
    )
    assert ran.messages == ["None None"]


async def test_the_environment_of_the_task_reaches_the_script() -> None:
    ran = await script("import os\nprint(os.environ['A'], os.environ['WORKING_DIR'] == os.getcwd())", env={"A": "b"})
    assert ran.messages == ["b True"]
    ran = await script("import sys\nprint(sys.flags.optimize)", env={"PYTHONOPTIMIZE": "2"})
    assert ran.messages == ["2"]


async def test_scripts_run_ahead_as_they_would_afresh(tmp_path: Path) -> None:
    """The first script starts the waiting interpreters; the others take them."""
    body = (
        "import os, sys; print(os.getppid() > 0, sys.argv[0].endswith('.script.py'), os.path.basename(sys.executable))"
    )
    tasks = "".join(
        f'  - {{id: s{n}, type: scripts.python.Script, taskRunner: {{type: core.runner.Process}}, script: "{body}"}}\n'
        for n in range(4)
    )
    async with open_engine(tmp_path / "data", Settings()) as engine:
        execution = await start(engine, f"id: ahead\nnamespace: test\ntasks:\n{tasks}")
        await engine.control.wait(execution.id)
        lines = await messages(engine, execution.id, None, "INFO", "ERROR", "WARN")
    assert lines == ["True True python"] * 4


async def test_lines_are_seen_while_the_script_runs(tmp_path: Path) -> None:
    source = f"""
id: live
namespace: test
tasks:
  - id: s
    type: scripts.python.Script
    taskRunner: {{type: core.runner.Process}}
    script: |
      import os, time
      print("begun")
      while not os.path.exists("{tmp_path}/go"):
          time.sleep(0.01)
"""
    async with open_engine(tmp_path / "data", Settings()) as engine:
        # The second run is that of an interpreter which was started ahead.
        for _ in range(2):
            (tmp_path / "go").unlink(missing_ok=True)
            seen = Seen("begun")
            engine.logs.listeners.append(seen.look)
            execution = await start(engine, source)
            with anyio.fail_after(20):
                await seen.event.wait()
            (tmp_path / "go").touch()
            assert (await engine.control.wait(execution.id)).state.value == "SUCCESS"


async def test_the_python_of_the_engine_runs_scripts_by_default() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    source = "import sys\nprint(f'{sys.version_info.major}.{sys.version_info.minor}')"
    assert (await script(source)).messages == [version]
    assert (await script(source, pythonVersion=version)).messages == [version]


def test_json_words_are_python_values() -> None:
    space: dict[str, object] = {}
    exec(with_json_names('data = [{"a": true, "b": null}, false]'), space)
    assert space["data"] == [{"a": True, "b": None}, False]


def test_imports_from_the_future_stay_first() -> None:
    space: dict[str, object] = {}
    exec(with_json_names('"""A script."""\nfrom __future__ import (\n    annotations,\n)\nx = true\n'), space)
    assert space["x"] is True


def test_a_script_without_such_words_is_left_alone() -> None:
    source = "print('truest')"
    assert with_json_names(source) is source


async def test_commands_that_install_get_an_environment_of_their_own(package: str) -> None:
    commands = [f"pip install {package}", "python -c 'import tidedemo; print(tidedemo.answer)'"]
    ran = await run_task(Commands, {"taskRunner": PROCESS, "commands": commands})
    assert ran.state == "SUCCESS", ran.messages
    assert "42" in ran.messages
    other = await run_task(Commands, {"taskRunner": PROCESS, "commands": ["python -c 'import tidedemo'"]})
    assert other.state == "FAILED"
