"""Inputs as executions get them, and as they are shown before there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import InvalidInputs
from engine.runtime.engine import Engine, open_engine
from engine.settings import Files, Settings
from engine.state.sealed import covered, is_sealed
from engine.store.rows import ExecutionFilter
from support.running import run

FORM = """
id: form
namespace: test
inputs:
  - {id: ask, type: BOOL, defaults: true}
  - id: login
    type: FORM
    dependsOn: {inputs: [ask], condition: "{{ inputs.ask }}"}
    inputs:
      - {id: user, type: STRING, defaults: "{{ 'a' ~ 'da' }}"}
      - {id: password, type: SECRET}
tasks:
  - {id: say, type: core.log.Log, message: "{{ inputs.login.user }} {{ inputs.login.password }}"}
"""


async def test_a_secret_in_a_form_is_stored_encrypted_and_never_shown(engine: Engine) -> None:
    record = await run(engine, FORM, {"login.password": "tell nobody"})
    login = record.execution.inputs["login"]
    assert login["user"] == "ada"
    assert is_sealed(login["password"])
    assert covered(record.execution.inputs) == {"ask": True, "login": {"user": "ada", "password": "******"}}
    await engine.logs.flushed()
    lines = [line.message for _, line in await engine.store.logs.lines(record.execution.id)]
    assert "ada ******" in lines
    assert not any("tell nobody" in line for line in lines)


async def test_inputs_are_shown_before_anything_is_created(engine: Engine) -> None:
    await engine.control.save_flow(FORM)
    before = len(await engine.store.executions.list(ExecutionFilter(flow="form")))
    found = await engine.control.preview_inputs("test", "form", {"login.password": "tell nobody"})
    assert [(it.input.id, it.value, it.is_default, it.errors) for it in found] == [
        ("ask", True, True, ()),
        ("login.user", "ada", True, ()),
        ("login.password", "******", False, ()),
    ]
    (_, _, missing) = await engine.control.preview_inputs("test", "form")
    assert missing.errors == ("Missing required input:login.password",)
    assert len(await engine.store.executions.list(ExecutionFilter(flow="form"))) == before


async def test_a_flow_may_only_name_files_of_this_machine_that_the_settings_open(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    for folder in ("", "open/"):
        (tmp_path / folder / "a.txt").write_text("text")
    text = (
        "id: f\nnamespace: test\ninputs: [{id: a, type: FILE, defaults: 'file://PATH'}]\n"
        'tasks: [{id: say, type: core.log.Log, message: "{{ read(inputs.a) }}"}]\n'
    )
    settings = Settings(files=Files(allowed=(str(tmp_path / "open"),)))
    async with open_engine(tmp_path / "data", settings) as engine:
        record = await run(engine, text.replace("PATH", str(tmp_path / "open/a.txt")))
        assert record.execution.inputs["a"].endswith("/a.txt")
        with pytest.raises(InvalidInputs, match="not authorized"):
            await run(engine, text.replace("PATH", str(tmp_path / "a.txt")))
