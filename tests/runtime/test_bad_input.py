"""Mistakes in flows and inputs: each gets one error that names the place and what would be right; nothing is lost."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.errors import InvalidFlow, InvalidInputs, StorageError
from engine.runtime.engine import Engine, open_engine
from engine.runtime.keeping.preview import preview_file
from engine.settings import Settings
from engine.state.status import Status
from support.running import messages, run, states

HEAD = "id: bad\nnamespace: test\n"
LOG = "{id: log, type: core.log.Log, message: %s}"
PROCESS = "taskRunner: {type: core.runner.Process}"
SHELL = f"type: scripts.shell.Commands, {PROCESS}"


def tasks(*written: str) -> str:
    """A flow of tasks in flow style, each on a line of its own from line 4 on."""
    return HEAD + "tasks:\n" + "".join(f"  - {task}\n" for task in written)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("id: bad\nnamespace: a: b\n", "2:13: this is not YAML: a ':' can't stand here"),
        (
            tasks("{id: a, type: core.log.Lgo, message: x}"),
            "4:19: tasks[0].type: Invalid type: core.log.Lgo, did you mean",
        ),
        (
            tasks("{id: a, type: core.log.Log, mesage: x}"),
            "4:33: tasks[0]: Unrecognized field \"mesage\", did you mean 'message'?",
        ),
        (
            tasks(LOG % "x", LOG % "y"),
            "5:10: tasks[1].id: Duplicate task id with name [log], it stands first on line 4",
        ),
        (
            tasks("{id: a, type: core.flow.Sleep, duration: soon}"),
            "4:46: tasks[0].duration: must be a duration such as",
        ),
        (HEAD, "1:1: tasks: must not be empty"),
    ],
    ids=["yaml", "type", "property", "duplicate", "duration", "no-tasks"],
)
async def test_a_wrong_flow_is_refused_with_one_error(engine: Engine, source: str, said: str) -> None:
    with pytest.raises(InvalidFlow) as refused:
        await engine.control.save_flow(source, "bad.yaml")
    (error,) = map(str, refused.value.diagnostics)
    assert error.startswith(f"bad.yaml:{said}")
    assert await engine.store.flows.list() == []


async def test_wrong_inputs_are_refused_all_at_once(engine: Engine) -> None:
    source = HEAD + "inputs: [{id: who, type: STRING}, {id: count, type: INT}]\n" + tasks(LOG % "x").removeprefix(HEAD)
    with pytest.raises(InvalidInputs) as refused:
        await run(engine, source, {"count": "many"})
    assert refused.value.problems == {
        "who": "Missing required input:who",
        "count": "Invalid value for input `count`. Cause: it must be a whole number, but is many",
    }


NOTE = "{id: note, type: core.debug.Return, format: '<html>'}"
UNFOUND = "Unable to find `{}` used in the expression `{}` at line {}, {}"
FAILING = {
    "task": (
        LOG % "'{{ outputs.nte.value }}'",
        "message: " + UNFOUND.format("nte", "{{ outputs.nte.value }}", 1, "did you mean 'note'?"),
    ),
    "output": (LOG % "'{{ outputs.note.vale }}'", "did you mean 'value'?"),
    "nothing near": (LOG % "'{{ outputs.other }}'", "at line 1, there is 'note'"),
    "group left out": (LOG % "'{{ who }}'", "did you mean 'vars.who'?"),
    "root": (LOG % "'{{ output.note }}'", "did you mean 'outputs'?"),
    "index": (LOG % "'{{ vars.two[7] }}'", "at line 1, the list has 2 items"),
    "second line": (LOG % '"one\\ntwo {{ vars.whoo }}"', "at line 2, did you mean 'who'?"),
    "nested": (
        "{id: log, type: core.output.OutputValues, values: {deep: [x, {name: '{{ vars.whoo }}'}]}}",
        "values.deep[1].name: " + UNFOUND.format("whoo", "{{ vars.whoo }}", 1, "did you mean 'who'?"),
    ),
    "rendered inside": (
        LOG % "'{{ render(vars.lost) }}'",
        "message: " + UNFOUND.format("whoo", "{{ vars.whoo }}", 1, "did you mean 'who'?"),
    ),
    "rendered by the task": (
        f"{{id: log, {SHELL}, commands: [a, 'echo {{{{ vars.whoo }}}}']}}",
        "commands[1]: " + UNFOUND.format("whoo", "echo {{ vars.whoo }}", 1, "did you mean 'who'?"),
    ),
    "timeout": (
        "{id: log, type: core.debug.Return, format: x, timeout: '{{ vars.whoo }}'}",
        "timeout: Unable to find `whoo`",
    ),
    "filter": (
        LOG % "'{{ 1 | uper }}'",
        "message: The filter 'uper' does not exist, did you mean 'upper'? ({{ 1 | uper }}:1)",
    ),
    "function": (LOG % "'{{ rand() }}'", "The function 'rand' does not exist, did you mean "),
    "syntax": (LOG % "'{{ vars. }}'", "message: Expected the name of an attribute"),
    "endless": (
        LOG % "'{{ render(vars.itself) }}'",
        "message: Macros, blocks and render() are nested more than 100 levels deep",
    ),
    "too long": (
        LOG % f"'{'{% for i in range(1, 9000) %}' * 3}x{'{% endfor %}' * 3}'",
        "message: Rendering timed out after 1",
    ),
    "jq": (LOG % "\"{{ outputs.note.value | jq('.x') }}\"", "message: jq needs a JSON text, but has: <html>"),
    "jq program": (LOG % "\"{{ '{}' | jq('.x[') }}\"", "message: Unable to evaluate jq '.x['"),
    "file read": (
        LOG % "\"{{ read('file:///etc/passwd') }}\"",
        "message: Unable to read the file 'file:///etc/passwd': only",
    ),
    "file address": (
        LOG % "\"{{ read('kestra:///../../etc/passwd') }}\"",
        "is refused: no step of it may be '.', '..'",
    ),
    "input file": (
        f"{{id: log, {SHELL}, inputFiles: {{a: 'file:///etc/passwd'}}, commands: ['cat a']}}",
        "inputFiles.a: 'file:///etc/passwd' lies outside: only internal storage (kestra:///…) can be read",
    ),
    "input address": (
        f"{{id: log, {SHELL}, inputFiles: {{a: 'kestra:///../x'}}, commands: ['cat a']}}",
        "inputFiles.a: The address 'kestra:///../x' is refused",
    ),
    "request": (
        "{id: log, type: core.http.Request, uri: 'file:///etc/passwd'}",
        "uri: 'file:///etc/passwd' is not an http",
    ),
    "sql": ("{id: log, type: jdbc.duckdb.Query, sql: selec 1}", 'sql: Parser Error: syntax error at or near "selec"'),
    "exit code": (
        f"{{id: log, {SHELL}, commands: ['exit 3']}}",
        "Command failed with exit code 3",
    ),
    "after rendering": (
        "{id: log, type: core.flow.Sleep, duration: \"{{ 'soon' }}\"}",
        "Properties don't fit after rendering: duration: must be a duration such as PT30S, but is soon",
    ),
    "runIf": ("{id: log, type: core.log.Log, message: x, runIf: '{{ vars.whoo }}'}", "runIf: Unable to find `whoo`"),
    "if": (
        "{id: log, type: core.flow.If, condition: '{{ vars.whoo }}', then: [{id: x, type: core.log.Log, message: x}]}",
        "condition: Unable",
    ),
    "loop": (
        "{id: log, type: core.flow.ForEach, values: none, tasks: [{id: x, type: core.log.Log, message: x}]}",
        "values: The values of a loop must",
    ),
}


@pytest.mark.parametrize(("task", "said"), FAILING.values(), ids=FAILING)
async def test_a_mistake_fails_its_task_and_says_where(tmp_path: Path, task: str, said: str) -> None:
    variables = "variables: {who: tide, two: [1, 2], lost: '{{ vars.whoo }}', itself: '{{ render(vars.itself) }}'}\n"
    source = HEAD + variables + tasks(NOTE, task).removeprefix(HEAD)
    settings = Settings()
    settings = msgspec.structs.replace(settings, expressions=msgspec.structs.replace(settings.expressions, seconds=1.0))
    async with open_engine(tmp_path / "data", settings) as engine:
        record = await run(engine, source)
        errors = await messages(engine, record.execution.id, "log", "ERROR")
    assert record.execution.state is Status.FAILED
    assert states(record) == {"note": "SUCCESS", "log": "FAILED"}
    assert len(errors) == 1
    assert said in errors[0]
    failed = record.runs["log"]
    assert errors[0] in (failed.error or "") or failed.attempts[-1].error == errors[0]


async def test_a_missing_file_is_named_where_it_is_left_out_and_where_it_is_wanted(engine: Engine) -> None:
    record = await run(
        engine,
        tasks(
            f"{{id: make, {SHELL}, outputFiles: [lost.csv, '*.txt'], commands: ['touch a.txt b.txt']}}",
            LOG % "\"{{ outputs.make.outputFiles['lost.csv'] }}\"",
        ),
    )
    id = record.execution.id
    assert await messages(engine, id, "make", "WARN") == ["outputFiles: the script left no file 'lost.csv'"]
    assert (await messages(engine, id, "log", "ERROR"))[0].endswith("at line 1, there is 'a.txt', 'b.txt'")


async def test_wrong_outputs_of_a_flow_fail_it_by_name(engine: Engine) -> None:
    source = tasks(NOTE) + "outputs: [{id: all, type: STRING, value: '{{ outputs.note.vale }}'}]\n"
    record = await run(engine, source)
    assert record.execution.state is Status.FAILED
    assert "outputs.all: Unable to find `vale`" in (record.execution.error or "")
    assert "outputs.all" in (await messages(engine, record.execution.id, None, "ERROR"))[0]


async def test_a_long_template_is_shown_by_the_line_that_matters(engine: Engine) -> None:
    script = "".join(f"      echo {number} {'x' * 50}\n" for number in range(20)) + "      echo {{ vars.who }}\n"
    source = f"{HEAD}tasks:\n  - id: long\n    type: scripts.shell.Script\n    {PROCESS}\n    script: |\n{script}"
    record = await run(engine, source)
    expected = "script: " + UNFOUND.format("who", "echo {{ vars.who }}", 21, "nothing is there")
    assert record.runs["long"].attempts[-1].error == expected


async def test_an_error_never_shows_a_secret(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "aGlkZGVuLXZhbHVl")
    loop = "{id: loop, type: core.flow.ForEach, values: \"{{ secret('KEY') }}\", tasks: [%s]}" % (LOG % "x")
    record = await run(engine, tasks(loop))
    said = await messages(engine, record.execution.id, "loop", "ERROR")
    assert said == ["values: The values of a loop must be a JSON array, but are: ******"]
    assert "hidden" not in str(record.runs["loop"])


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.json", b"{a", "text"),
        ("a.json", b"[" * 100_000, "text"),
        ("a.ion", b"[" * 100_000, "text"),
        ("a.csv", b"x" * 200_000, "text"),
        ("a.csv", b"a,b\n1,\0", "binary"),
        ("a.csv", b"", "csv"),
        ("a.txt", b"\xff\xfe\xfa", "text"),
    ],
)
async def test_a_broken_file_is_previewed_as_what_it_is(engine: Engine, name: str, content: bytes, kind: str) -> None:
    address = f"kestra:///test/{name}"
    await engine.files.put(address, content)
    assert (await preview_file(engine.files, address, 10)).kind == kind


@pytest.mark.parametrize("content", [b"", b"PAR1 nothing of the kind PAR1"])
async def test_a_broken_parquet_file_is_named(engine: Engine, content: bytes) -> None:
    await engine.files.put("kestra:///test/a.parquet", content)
    with pytest.raises(
        StorageError, match=r"^The file kestra:///test/a.parquet can't be read as Parquet: [^\n]*$"
    ) as told:
        await preview_file(engine.files, "kestra:///test/a.parquet", 10)
    assert "LINE" not in str(told.value)
    assert "/tmp" not in str(told.value)
