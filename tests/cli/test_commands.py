"""The commands, as a person types them."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest

from support.command_line import Place

GREET = """
id: greet
namespace: test
inputs:
  - {id: who, type: STRING, defaults: world}
  - {id: count, type: INT, defaults: 1}
tasks:
  - {id: hello, type: core.debug.Return, format: "hello {{ inputs.who }} {{ inputs.count + 1 }}"}
  - {id: say, type: core.log.Log, message: "{{ outputs.hello.value }}"}
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_inputs_can_be_looked_at_before_a_run(place: Place) -> None:
    shown = place.call("run", place.flow(GREET), "--check-inputs", "-i", "who=tide")
    assert re.search(r"who +STRING +tide", shown)
    assert re.search(r"count +INT +1 \(default\)", shown)
    wrong = place.call("run", place.flow(GREET), "--check-inputs", "-i", "count=many", code=2)
    assert "it must be a whole number" in " ".join(wrong.split())
    assert json.loads(place.call("execution", "list", "--json")) == []


def test_run_shows_task_runs_log_lines_and_outputs(place: Place) -> None:
    shown = place.call("run", place.flow(GREET), "-i", "who=tide", "-i", "count=41")
    assert re.search(r"INFO +say +hello tide 42", shown)
    assert re.search(r"✓ SUCCESS +hello", shown)
    assert re.search(r"hello +value +hello tide 42", shown)
    assert '"value": "hello tide 42"' in place.call("execution", "outputs", "last", "--json")
    assert "hello tide 42" in place.call("execution", "logs", "last")
    assert "SUCCESS" in place.call("execution", "show", "last")
    listed = json.loads(place.call("execution", "list", "--json"))
    assert [one["flow"] for one in listed] == ["greet"]
    assert place.call("eval", "last", "{{ outputs.hello.value | upper }}").strip() == "HELLO TIDE 42"


def test_logs_in_a_file_are_named_and_shown(place: Place) -> None:
    say = "{id: say, type: core.log.Log, message: into a file, logToFile: true}"
    shown = place.call("run", place.flow(f"id: f\nnamespace: test\ntasks: [{say}]\n"))
    assert "into a file" in shown
    named = place.call("execution", "logs", "last")
    assert re.search(r"The log of say is in a file: kestra:///test/f/executions/\S+/attempt-1.log", named)
    assert re.search(r"INFO into a file\n", place.call("execution", "logs", "last", "--task", "say"))


def test_the_exit_code_tells_the_state(place: Place) -> None:
    place.call("run", place.flow("id: bad\nnamespace: test\ntasks: [{id: no, type: core.execution.Fail}]\n"), code=1)
    failing = "id: x\nnamespace: test\ntasks: [{id: no, type: core.execution.Fail, allowFailure: true}]\n"
    assert "WARNING" in place.call("run", place.flow(failing))


def test_a_mistaken_call_gets_one_clear_line(place: Place) -> None:
    flow = place.flow(GREET)
    assert "count" in place.call("run", flow, "-i", "count=many", code=2)
    assert "key=value" in place.call("run", flow, "-i", "count", code=2)
    assert "there is no such file" in place.call("run", flow, "-f", "who=/nowhere", code=2)
    assert "does not exist" in place.call("execution", "show", "nothing", code=2)
    assert "does not exist" in place.call("file", "preview", "kestra:///test/greet/executions/x/y.txt", code=2)
    escaping = place.call("file", "get", "kestra:///test/../../../etc/passwd", code=1)
    assert "root:" not in escaping


def test_validate_names_file_line_and_column_of_every_mistake(place: Place) -> None:
    flow = place.flow(
        "id: wrong\nnamespace: test\ntasks:\n"
        "  - {id: a, type: core.log.Lag, message: x}\n"
        "  - {id: b, type: core.log.Log, mesage: x}\n"
    )
    shown = place.call("validate", flow, code=1)
    assert f"{flow}:4:" in shown
    assert f"{flow}:5:" in shown
    assert "core.log.Log" in shown
    assert "message" in shown
    assert "✓" in place.call("validate", place.flow(GREET, "good.yaml"))
    place.call("run", flow, code=2)


def test_an_interrupt_kills_the_execution_and_what_it_started(place: Place) -> None:
    pid_file = place.folder / "pid"
    flow = place.flow(
        f"""
id: long
namespace: test
tasks:
  - id: wait
    type: scripts.shell.Commands
    taskRunner: {{type: core.runner.Process}}
    commands: ["echo $$ > {pid_file}; exec sleep 300"]
"""
    )
    with place.start("run", flow) as process:
        _until(lambda: pid_file.exists() and pid_file.read_text().strip() != "")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert "KILLED" in out
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()
    assert "KILLED" in place.call("execution", "list")


def test_kill_reaches_an_execution_of_another_process(place: Place) -> None:
    flow = place.flow("id: long\nnamespace: test\ntasks: [{id: s, type: core.flow.Sleep, duration: PT300S}]\n")
    with place.start("run", flow) as process:
        _until(lambda: "RUNNING" in place.call("execution", "list"))
        assert "KILLED" in place.call("execution", "kill", "last")
        process.communicate(timeout=30)
    assert process.returncode == 130


def test_kill_also_ends_what_a_dead_process_left(place: Place) -> None:
    flow = place.flow("id: long\nnamespace: test\ntasks: [{id: s, type: core.flow.Sleep, duration: PT300S}]\n")
    with place.start("run", flow) as process:
        _until(lambda: "RUNNING" in place.call("execution", "list"))
        process.kill()
        process.communicate(timeout=30)
    assert "KILLED" in place.call("execution", "kill", "last")


def test_restart_and_replay(place: Place) -> None:
    marker = place.folder / "marker"
    flow = place.flow(
        f"""
id: again
namespace: test
tasks:
  - {{id: first, type: core.debug.Return, format: "{{{{ uuid() }}}}"}}
  - id: check
    type: scripts.shell.Commands
    taskRunner: {{type: core.runner.Process}}
    commands: ["test -e {marker}"]
"""
    )
    place.call("run", flow, code=1)
    before = json.loads(place.call("execution", "outputs", "last", "--json"))["tasks"]["first"]
    marker.touch()
    assert "SUCCESS" in place.call("execution", "restart", "last")
    assert json.loads(place.call("execution", "outputs", "last", "--json"))["tasks"]["first"] == before
    assert "SUCCESS" in place.call("execution", "replay", "last", "--task", "check")
    assert json.loads(place.call("execution", "outputs", "last", "--json"))["tasks"]["first"] == before
    assert len(json.loads(place.call("execution", "list", "--json"))) == 2


def test_plugins_are_listed_and_shown(place: Place) -> None:
    assert "core.http.Request" in place.call("plugin", "list")
    page = place.call("plugin", "show", "core.http.Request")
    assert "uri" in page
    assert "core.http.Request" in place.call("plugin", "show", "core.http.Reqest", code=2)


def test_doctor_finds_this_machine_fit(place: Place) -> None:
    shown = place.call("doctor")
    assert "SQLite" in shown
    assert "✗" not in shown


@pytest.mark.timeout(120)
def test_several_processes_on_one_folder_never_run_a_thing_twice(place: Place) -> None:
    journal = place.folder / "journal"
    flow = place.flow(
        f"""
id: side_by_side
namespace: test
inputs: [{{id: name, type: STRING}}]
tasks:
  - id: each
    type: core.flow.ForEach
    values: "{{{{ range(1, 20) }}}}"
    tasks:
      - id: write
        type: scripts.shell.Commands
        taskRunner: {{type: core.runner.Process}}
        commands: ["sleep 0.05; echo {{{{ inputs.name }}}} {{{{ taskrun.value }}}} >> {journal}"]
"""
    )
    processes = [place.start("run", flow, "-i", f"name=p{number}") for number in range(3)]
    _until(lambda: journal.exists() and journal.read_text().count("p0") >= 3)
    processes[0].kill()
    codes = [process.wait(timeout=60) for process in processes[1:]]
    for process in processes:
        process.communicate()
    assert codes == [0, 0]
    lines = journal.read_text().splitlines()
    for name in ("p1", "p2"):
        mine = [line for line in lines if line.startswith(name)]
        assert len(mine) == len(set(mine)) == 20
    assert "SUCCESS" in place.call("execution", "recover")
    lines = [line for line in journal.read_text().splitlines() if line.startswith("p0")]
    # Only the one that ran when the process died may be there twice.
    assert len(set(lines)) == 20
    assert len(lines) <= 21


def _until(condition: object, seconds: float = 30) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def test_a_paused_execution_is_resumed_from_another_terminal_or_after_a_crash(place: Place) -> None:
    flow = place.flow(
        "id: asks\nnamespace: test\ntasks:\n"
        "  - {id: ask, type: core.flow.Pause, onResume: [{id: reason, type: STRING}]}\n"
        '  - {id: say, type: core.debug.Return, format: "{{ outputs.ask.onResume.reason }}"}\n'
    )
    with place.start("run", flow) as process:
        _until(lambda: "PAUSED" in place.call("execution", "list"))
        assert "reason" in place.call("execution", "resume", "last", code=2)
        assert "in hand" in place.call("execution", "resume", "last", "-i", "reason=fine")
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, out + err
    assert "fine" in out
    with place.start("run", flow) as process:
        _until(lambda: "PAUSED" in place.call("execution", "list"))
        process.kill()
        process.communicate(timeout=30)
    assert "late" in place.call("execution", "resume", "last", "-i", "reason=late")


def test_a_queued_execution_goes_on_in_its_own_process_when_it_is_told_to(place: Place) -> None:
    flow = place.flow(
        "id: limited\nnamespace: test\nconcurrency: {limit: 1}\n"
        "tasks:\n  - {id: ask, type: core.flow.Pause}\n  - {id: say, type: core.debug.Return, format: done}\n"
    )
    with place.start("run", flow) as first:
        _until(lambda: "PAUSED" in place.call("execution", "list"))
        with place.start("run", flow) as second:
            _until(lambda: "QUEUED" in place.call("execution", "list"))
            assert "in hand" in place.call("execution", "unqueue", "last")
            _until(lambda: "QUEUED" not in place.call("execution", "list"))
            assert "in hand" in place.call("execution", "force-run", "last")
            out, err = second.communicate(timeout=30)
            assert second.returncode == 0, out + err
        first.kill()
        first.communicate(timeout=30)


def test_an_approval_is_decided_from_another_terminal_or_after_a_crash(place: Place) -> None:
    flow = place.flow(
        "id: asks\nnamespace: test\ntasks:\n"
        "  - id: ask\n    type: core.flow.Approval\n    commentRequired: ON_DENY\n"
        "    inputs: [{id: amount, type: INT}]\n"
        '  - {id: say, type: core.debug.Return, format: "{{ outputs.ask.inputs.amount }} {{ outputs.ask.comment }}"}\n'
    )
    with place.start("run", flow) as process:
        _until(lambda: "PAUSED" in place.call("execution", "list"))
        assert "amount" in place.call("execution", "approve", "last", code=2)
        assert "in hand" in place.call("execution", "approve", "last", "-i", "amount=3", "--comment", "fine")
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, out + err
    assert "3 fine" in out
    with place.start("run", flow) as process:
        _until(lambda: "PAUSED" in place.call("execution", "list"))
        process.kill()
        process.communicate(timeout=30)
    assert "without a comment" in place.call("execution", "deny", "last", "-i", "amount=3", code=2)
    assert "CANCELLED" in place.call("execution", "deny", "last", "-i", "amount=3", "-c", "no", "--task", "ask", code=3)
