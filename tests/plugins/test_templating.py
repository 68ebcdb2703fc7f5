"""TemplatedTask."""

from __future__ import annotations

import pytest

from engine.definition.task import COMMON as OF_EVERY_TASK
from engine.plugin.testing import run_task
from plugins.core.templating import COMMON, TemplatedTask


async def test_the_task_that_a_text_describes_is_run() -> None:
    spec = "type: {{ vars.type }}\nformat: It's alive!\n"
    for type in ("io.kestra.plugin.core.debug.Return", "core.debug.Return", "io.kestra.core.tasks.debugs.Return"):
        ran = await run_task(TemplatedTask, {"spec": spec}, variables={"type": type})
        assert (ran.state, ran.outputs) == ("SUCCESS", {"value": "It's alive!"})


async def test_what_was_kept_from_the_first_rendering_is_rendered_then() -> None:
    spec = "type: core.execution.Assert\nconditions: ['{% raw %}{{ vars.n == 2 }}{% endraw %}']\n"
    ran = await run_task(TemplatedTask, {"spec": spec}, variables={"n": 1})
    assert ran.messages == ["Assertion failed: {{ vars.n == 2 }}", "1 assertion failed!"]
    spec = "type: core.debug.Return\nformat: '{% raw %}{{ vars.n + 1 }}{% endraw %}'\n"
    assert (await run_task(TemplatedTask, {"spec": spec}, variables={"n": 1})).outputs == {"value": "2"}


async def test_common_properties_are_those_of_the_outer_task() -> None:
    assert COMMON == OF_EVERY_TASK
    spec = "id: inner\ntype: core.debug.Return\nformat: x\ntimeout: PT1S\nretry: {type: constant, interval: PT1S}\n"
    ran = await run_task(TemplatedTask, {"spec": spec})
    assert ran.outputs == {"value": "x"}
    assert ran.messages[0] == "spec: retry, timeout has no effect here, it belongs to the TemplatedTask itself"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("type: core.flow.Sequential\ntasks: []", "The templated task must be a runnable task"),
        ("type: core.runner.Process", "The templated task must be a runnable task"),
        (
            "type: core.templating.TemplatedTask\nspec: whatever",
            "The templated task cannot be of type 'io.kestra.plugin.core.templating.TemplatedTask'",
        ),
        ("type: core.debug.Retrun", "plugin type 'core.debug.Retrun' does not exist: did you mean core.debug.Return"),
        ("- a list", "spec: must be the YAML of one task, a map with its `type` and properties"),
        ("type: core.log.Log", "message: "),
        ("type: core.debug.Return\nfromat: x", "fromat: "),
        ("type: [", "spec: can't be read as YAML: "),
    ],
)
async def test_a_text_that_describes_no_task_fails(spec: str, message: str) -> None:
    ran = await run_task(TemplatedTask, {"spec": spec})
    assert ran.state == "FAILED"
    assert ran.messages[0].startswith(message)
