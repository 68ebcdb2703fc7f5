"""Templates: tasks that are put into the flows that name them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.errors import InvalidFlow, NotFound
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings, Templates
from engine.state.status import Status
from support.running import end, messages, run, start, states, until

FLOW = """
id: f
namespace: test
tasks:
  - {id: first, type: core.debug.Return, format: a}
  - {id: shared, type: core.flow.Template, namespace: test, templateId: t, args: {who: "{{ outputs.first.value }}"}}
  - {id: last, type: core.log.Log, message: "{{ outputs.shared.args.who }}"}
"""
TEMPLATE = """
id: t
namespace: test
tasks:
  - {id: inner, type: core.log.Log, message: "hello {{ parent.outputs.args.who }}"}
"""
NESTED = "id: t\nnamespace: test\ntasks: [{id: ID, type: core.flow.Template, namespace: test, templateId: NAMED}]\n"


@pytest.fixture
async def templates(tmp_path: Path) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path, Settings(templates=Templates(enabled=True))) as engine:
        yield engine


async def test_the_tasks_of_a_template_run_in_the_flow_and_see_their_arguments(templates: Engine) -> None:
    assert await templates.templates.apply(TEMPLATE) == ("test", "t")
    record = await run(templates, FLOW)
    assert states(record) == dict.fromkeys(("first", "shared", "shared/inner", "last"), "SUCCESS")
    assert await messages(templates, record.execution.id) == ["a", "hello a", "a"]


async def test_a_template_that_is_not_there_or_holds_itself_fails_the_task(templates: Engine) -> None:
    record = await run(templates, FLOW)
    assert states(record) == {"first": "SUCCESS", "shared": "FAILED"}
    assert "Can't find flow template 'test.t'" in await messages(templates, record.execution.id)
    await templates.templates.apply(NESTED.replace("ID", "again").replace("NAMED", "t"))
    record = await run(templates, FLOW.replace("id: f\n", "id: g\n"))
    assert record.execution.state is Status.FAILED
    assert "The template 'test.t' contains itself" in await messages(templates, record.execution.id)


async def test_a_template_in_a_template_is_put_there_too(templates: Engine) -> None:
    await templates.templates.apply(TEMPLATE.replace("id: t", "id: deep"))
    await templates.templates.apply(NESTED.replace("ID", "middle").replace("NAMED", "deep"))
    record = await run(templates, FLOW)
    assert states(record)["shared/middle/inner"] == "FAILED"
    assert "who" in " ".join(await messages(templates, record.execution.id))


async def test_ids_that_the_flow_has_too_are_refused_when_it_is_to_run(templates: Engine) -> None:
    await templates.templates.apply(TEMPLATE.replace("id: inner", "id: last"))
    with pytest.raises(InvalidFlow, match=r"Duplicate task id with name \[last\]"):
        await run(templates, FLOW)


async def test_a_template_that_changes_reaches_flows_that_are_compiled(templates: Engine, tmp_path: Path) -> None:
    await templates.templates.apply(TEMPLATE)
    assert states(await run(templates, FLOW)).keys() == {"first", "shared", "shared/inner", "last"}
    settings = Settings(templates=Templates(enabled=True))
    async with open_engine(tmp_path, settings) as other:
        await other.templates.apply(TEMPLATE.replace("id: inner", "id: other"))
    assert states(await run(templates, FLOW)).keys() == {"first", "shared", "shared/other", "last"}


async def test_a_template_is_forgotten_and_listed(templates: Engine) -> None:
    await templates.templates.apply(TEMPLATE)
    assert [(it.namespace, it.id, it.source) for it in await templates.templates.list()] == [("test", "t", TEMPLATE)]
    await templates.templates.delete("test", "t")
    assert await templates.templates.list() == []
    with pytest.raises(NotFound):
        await templates.templates.delete("test", "t")


async def test_a_wrong_template_is_refused(templates: Engine) -> None:
    with pytest.raises(InvalidFlow, match="a template takes id, namespace"):
        await templates.templates.apply(TEMPLATE + "inputs: []\n")
    with pytest.raises(InvalidFlow, match="did you mean 'message'"):
        await templates.templates.apply(TEMPLATE.replace("message", "mesage"))


async def test_a_killed_and_a_restarted_execution_go_as_any_other(templates: Engine) -> None:
    await templates.templates.apply(
        "id: t\nnamespace: test\ntasks: [{id: sleep, type: core.flow.Sleep, duration: PT60S}]\n"
    )
    execution = await start(templates, FLOW)
    await until(templates, execution.id, "shared/sleep", Status.RUNNING)
    await templates.control.kill(execution.id)
    record = await end(templates, execution.id)
    assert states(record) == {"first": "SUCCESS", "shared": "KILLED", "shared/sleep": "KILLED"}
    fails = TEMPLATE.replace("core.log.Log, message", "core.execution.Fail, errorMessage")
    await templates.templates.apply(fails.replace("id: t", "id: u"))
    record = await run(templates, FLOW.replace("id: f\n", "id: h\n").replace("templateId: t", "templateId: u"))
    assert states(record) == {"first": "SUCCESS", "shared": "FAILED", "shared/inner": "FAILED"}
    again = await templates.control.restart(record.execution.id)
    record = await end(templates, again.id)
    assert len(record.runs["shared/inner"].attempts) == 2
    assert record.runs["shared"].outputs == {"args": {"who": "a"}}


async def test_templates_are_off_by_default(engine: Engine) -> None:
    with pytest.raises(InvalidFlow, match="templates are off: set the setting"):
        await run(engine, FLOW)
