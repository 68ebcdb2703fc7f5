"""What people do with executions: run them again as others, say how they ended, label and delete them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.errors import Conflict, InvalidInputs, NotFound, Refused
from engine.executor.edit import change_status
from engine.files.addresses import execution_folder
from engine.runtime.engine import Engine
from engine.state.event import Edited, TaskEnded
from engine.state.execution import Execution
from engine.state.status import Status
from engine.store.rows import ExecutionFilter, Write
from support.running import end, run, runs_of, start, states, until

STEPS = """
id: steps
namespace: test
labels: {team: sales}
inputs:
  - {id: count, type: INT, defaults: 3}
  - {id: name, type: STRING, defaults: "{{ uuid() }}"}
  - {id: key, type: SECRET, defaults: sesame}
tasks:
  - {id: first, type: core.debug.Return, format: "{{ inputs.count }} {{ inputs.name }}"}
  - {id: second, type: core.debug.Return, format: "second {{ outputs.first.value }} {{ inputs.count }}"}
"""
FAILS = """
id: fails
namespace: test
tasks:
  - {id: first, type: core.debug.Return, format: "{{ uuid() }}"}
  - {id: second, type: core.execution.Fail}
  - {id: third, type: core.debug.Return, format: "{{ outputs.first.value }}"}
"""
MENDED = FAILS.replace("core.execution.Fail", "core.log.Log, message: mended")
PAUSES = """
id: pauses
namespace: test
tasks:
  - {id: first, type: core.debug.Return, format: one}
  - {id: pause, type: core.flow.Pause}
  - {id: last, type: core.debug.Return, format: two}
"""
HELD = """
id: held
namespace: test
tasks:
  - id: all
    type: core.flow.Parallel
    tasks:
      - {id: pause, type: core.flow.Pause}
      - {id: sleep, type: core.flow.Sleep, duration: PT300S}
"""


def labels(execution: Execution) -> dict[str, str]:
    return {label.key: label.value for label in execution.labels}


async def test_restart_says_so_in_a_label(engine: Engine) -> None:
    record = await run(engine, FAILS)
    await engine.control.restart(record.execution.id)
    again = await end(engine, record.execution.id)
    assert labels(again.execution)["system.restarted"] == "true"
    assert again.execution.parent is None
    assert again.execution.attempt == 2


async def test_restart_with_another_revision_is_another_execution(engine: Engine) -> None:
    record = await run(engine, FAILS)
    await engine.control.save_flow(MENDED)
    other = await engine.control.restart(record.execution.id, revision=2)
    assert other.id != record.execution.id
    mended = await end(engine, other.id)
    assert mended.execution.state is Status.SUCCESS
    assert mended.execution.parent == mended.execution.original == record.execution.id
    assert (mended.execution.revision, mended.execution.attempt) == (2, 2)
    assert labels(mended.execution)["system.restarted"] == "true"
    assert runs_of(mended, "third")[0].outputs == runs_of(record, "first")[0].outputs
    assert not {run.id for run in mended.runs.values()} & {run.id for run in record.runs.values()}
    old = (await engine.store.executions.load(record.execution.id)).record
    assert (old.execution, old.runs) == (record.execution, record.runs)


async def test_restart_with_the_same_revision_named_is_another_execution_too(engine: Engine) -> None:
    record = await run(engine, FAILS)
    other = await end(engine, (await engine.control.restart(record.execution.id, revision=1)).id)
    assert other.execution.id != record.execution.id
    assert states(other) == {"first": "SUCCESS", "second": "FAILED"}
    assert len(other.runs["second"].attempts) == 2


async def test_restart_needs_a_revision_that_has_what_would_be_kept(engine: Engine) -> None:
    record = await run(engine, FAILS)
    await engine.control.save_flow(FAILS.replace("id: first", "id: other").replace("outputs.first", "outputs.other"))
    with pytest.raises(Refused, match="Task 'first' is no longer in revision 2 of the flow; replay from the start"):
        await engine.control.restart(record.execution.id, revision=2)
    with pytest.raises(NotFound, match="revision 7"):
        await engine.control.restart(record.execution.id, revision=7)


async def test_a_paused_execution_restarted_with_a_revision_goes_on_as_another(engine: Engine) -> None:
    paused = await start(engine, PAUSES)
    await until(engine, paused.id, "pause", Status.PAUSED)
    other = await end(engine, (await engine.control.restart(paused.id, revision=1)).id)
    assert states(other) == {"first": "SUCCESS", "pause": "SUCCESS", "last": "SUCCESS"}
    assert (await engine.store.executions.head(paused.id))[0].state is Status.PAUSED


async def test_what_a_later_revision_lacks_may_come_after_the_task_of_a_replay(engine: Engine) -> None:
    record = await run(engine, STEPS)
    shorter = STEPS[: STEPS.index("  - {id: second")]
    await engine.control.save_flow(shorter)
    replayed = await end(engine, (await engine.control.replay(record.execution.id, "first", revision=2)).id)
    assert states(replayed) == {"first": "SUCCESS"}
    with pytest.raises(Refused, match="Task 'second' is no longer in revision 2"):
        await engine.control.replay(record.execution.id, "second", revision=2)


async def test_replay_marks_both_executions(engine: Engine) -> None:
    record = await run(engine, STEPS)
    replayed = await end(engine, (await engine.control.replay(record.execution.id, "second")).id)
    assert labels(replayed.execution) == {**labels(record.execution), "system.replay": "true"}
    source, owner = await engine.store.executions.head(record.execution.id)
    assert labels(source) == {**labels(record.execution), "system.replayed": "true"}
    again = await end(engine, (await engine.control.replay(record.execution.id, "second")).id)
    assert labels(again.execution) == labels(replayed.execution)
    assert (source.state, owner) == (Status.SUCCESS, "")


async def test_an_execution_that_runs_can_be_replayed_and_goes_on(engine: Engine) -> None:
    paused = await start(engine, PAUSES)
    await until(engine, paused.id, "pause", Status.PAUSED)
    replayed = await engine.control.replay(paused.id)
    await engine.control.resume(paused.id)
    record = await end(engine, paused.id)
    assert record.execution.state is Status.SUCCESS
    assert labels(record.execution)["system.replayed"] == "true"
    await engine.control.kill(replayed.id)


async def test_replay_with_changed_inputs_keeps_the_others(engine: Engine) -> None:
    record = await run(engine, STEPS)
    replayed = await end(engine, (await engine.control.replay(record.execution.id, inputs={"count": "5"})).id)
    before = record.execution.inputs
    assert replayed.execution.inputs["count"] == 5
    assert replayed.execution.inputs["name"] == before["name"]
    assert await engine.control.evaluate(replayed.execution.id, "{{ inputs.key == 'sesame' }}") == "true"
    assert replayed.runs["second"].outputs == {"value": f"second 5 {before['name']} 5"}
    part = await end(engine, (await engine.control.replay(record.execution.id, "second", inputs={"count": 9})).id)
    assert part.runs["second"].outputs == {"value": f"second 3 {before['name']} 9"}
    assert part.execution.inputs["key"] != "sesame"


async def test_changed_inputs_are_checked_and_nothing_is_started(engine: Engine) -> None:
    record = await run(engine, STEPS)
    with pytest.raises(InvalidInputs):
        await engine.control.replay(record.execution.id, inputs={"count": "many"})
    assert await engine.store.executions.count(ExecutionFilter()) == 1
    assert "system.replayed" not in labels((await engine.store.executions.head(record.execution.id))[0])


async def test_replay_with_changed_outputs(engine: Engine) -> None:
    record = await run(engine, STEPS)
    other = await engine.control.replay(record.execution.id, "second", outputs={"first": {"value": "given"}})
    replayed = await end(engine, other.id)
    assert replayed.runs["second"].outputs == {"value": "second given 3"}
    history = [change.state for change in replayed.runs["first"].history]
    assert history[-2:] == [Status.RESTARTED, Status.SUCCESS]
    assert labels(replayed.execution)["system.replay"] == "true"
    assert record.runs["first"].outputs == (await end(engine, record.execution.id)).runs["first"].outputs


async def test_large_outputs_that_are_given_are_kept_as_files(engine: Engine) -> None:
    record = await run(engine, STEPS)
    large = "x" * 1_000_000
    other = await engine.control.replay(record.execution.id, "second", outputs={"first": {"value": large}})
    replayed = await end(engine, other.id)
    assert len(str(replayed.runs["first"].outputs)) < 1000
    assert await engine.control.evaluate(other.id, "{{ outputs.first.value | length }}") == "1000000"


@pytest.mark.parametrize(
    ("task", "outputs", "message"),
    [
        (None, {"first": {"value": 1}}, "name a task to replay from"),
        ("second", {"second": {"value": 1}}, "'second' runs again in this replay"),
        ("second", {"nothing": {"value": 1}}, "this replay keeps first, second"),
    ],
)
async def test_outputs_that_nothing_would_have(engine: Engine, task: str | None, outputs: Any, message: str) -> None:
    record = await run(engine, STEPS)
    with pytest.raises((Refused, NotFound), match=message):
        await engine.control.replay(record.execution.id, task, outputs=outputs)


async def test_the_state_of_an_execution_is_set_without_running_anything(engine: Engine) -> None:
    record = await run(engine, FAILS)
    changed = await engine.control.set_status(record.execution.id, Status.SUCCESS)
    held = await engine.store.executions.load(record.execution.id)
    assert held.record.execution == changed
    assert held.owner == ""
    assert [change.state for change in changed.history][-2:] == [Status.FAILED, Status.SUCCESS]
    assert held.record.runs == record.runs
    assert await engine.control.set_status(record.execution.id, Status.SUCCESS) == changed
    with pytest.raises(Refused, match="terminal state, and RUNNING"):
        await engine.control.set_status(record.execution.id, Status.RUNNING)


async def test_labels_are_added_changed_and_removed(engine: Engine) -> None:
    record = await run(engine, STEPS)
    id = record.execution.id
    changed = await engine.control.set_labels(id, {"team": "finance", "why": "audit"})
    assert labels(changed) == {"system.correlationId": id, "team": "finance", "why": "audit"}
    assert labels(await engine.control.set_labels(id, {}, ["why"])) == {"system.correlationId": id, "team": "finance"}
    same = await engine.control.set_labels(id, {"system.correlationId": id, "team": "it"})
    assert labels(same) == {"system.correlationId": id, "team": "it"}
    for given, removed in (
        ({"system.app": "x"}, ()),
        ({"system.correlationId": "x"}, ()),
        ({}, ["system.correlationId"]),
    ):
        with pytest.raises(Refused, match="System labels can only be set by Kestra itself, offending label: system"):
            await engine.control.set_labels(id, given, removed)
    with pytest.raises(Refused, match="needs a key and a value"):
        await engine.control.set_labels(id, {"team": ""})


async def test_only_what_has_ended_is_changed_or_deleted(engine: Engine) -> None:
    paused = await start(engine, PAUSES)
    await until(engine, paused.id, "pause", Status.PAUSED)
    with pytest.raises(Refused, match=r"You can only change the status of a terminated execution\."):
        await engine.control.set_status(paused.id, Status.SUCCESS)
    with pytest.raises(Refused, match="The execution is not terminated"):
        await engine.control.set_labels(paused.id, {"a": "b"})
    with pytest.raises(Refused, match="The execution is not terminated"):
        await engine.control.delete(paused.id)
    await engine.control.kill(paused.id)
    await engine.control.delete(paused.id)
    with pytest.raises(NotFound):
        await engine.control.set_labels(paused.id, {"a": "b"})


async def test_delete_takes_what_is_chosen(engine: Engine, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text("text")
    flow = """
id: leaves
namespace: test
inputs: [{id: file, type: FILE}]
tasks:
  - {id: say, type: core.log.Log, message: said}
  - {id: count, type: core.metric.Publish, metrics: [{type: counter, name: rows, value: 3}]}
"""

    async def left(id: str) -> tuple[int, int, int]:
        await engine.logs.flushed()
        files = await engine.files.list(execution_folder("test", "leaves", record.execution.id))
        found = record.execution.id
        return len(await engine.store.logs.lines(found)), len(await engine.store.logs.metrics(found)), len(files)

    record = await run(engine, flow, {"file": str(given)})
    before = await left(record.execution.id)
    assert all(before)
    await engine.control.delete(record.execution.id, logs=False, files=False)
    assert await left(record.execution.id) == (before[0], 0, before[2])
    record = await run(engine, flow, {"file": str(given)})
    await engine.control.delete(record.execution.id)
    assert await left(record.execution.id) == (0, 0, 0)
    with pytest.raises(NotFound, match="execution list"):
        await engine.control.delete(record.execution.id)


async def test_what_happens_while_an_edit_is_refused_is_not_lost(engine: Engine) -> None:
    execution = await start(engine, HELD)
    await until(engine, execution.id, "all/pause", Status.PAUSED)
    await until(engine, execution.id, "all/sleep", Status.RUNNING)
    held = await engine.store.executions.load(execution.id)
    compiled = await engine.plans.of(held.record.execution)
    edited = change_status(compiled.plan, held.record, "pause", Status.SUCCESS, 1)
    changed = msgspec.structs.replace(held.record.execution, version=held.record.execution.version + 1)
    await engine.store.executions.commit(Write(execution=changed, owner=held.owner))
    engine.driver.post(execution.id, TaskEnded(at=2, path="all/sleep", attempt=1, state=Status.SUCCESS))
    with pytest.raises(Conflict):
        await engine.driver.resume(edited, compiled, Edited(at=3))
    await until(engine, execution.id, "all/sleep", Status.SUCCESS)
    await engine.control.kill(execution.id)
    await end(engine, execution.id)
