"""Labels that an execution is given when it is created."""

from __future__ import annotations

import pytest

from engine.errors import Refused
from engine.runtime.engine import Engine

FLOW = """
id: labelled
namespace: test
labels: [{key: a, value: flow}, {key: a, value: later}, {key: b, value: flow}, {key: system.readOnly, value: "true"}]
tasks: [{id: say, type: core.log.Log, message: hi}]
"""


async def test_given_labels_come_after_those_of_the_flow_and_the_last_of_a_key_counts(engine: Engine) -> None:
    await engine.control.save_flow(FLOW)
    given = {"b": "given", "system.correlationId": "chain"}
    execution = await engine.control.create("test", "labelled", labels=given)
    found = {label.key: label.value for label in execution.labels}
    assert found == {"a": "later", "b": "given", "system.correlationId": "chain"}
    await engine.control.wait(execution.id)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({"system.app": "x"}, "System labels can only be set by Kestra itself, offending label: system.app=x"),
        ({"": "x"}, "A label needs a key and a value"),
        ({"a": ""}, "A label needs a key and a value"),
    ],
)
async def test_labels_that_nobody_may_give_are_refused(engine: Engine, labels: dict[str, str], text: str) -> None:
    await engine.control.save_flow(FLOW)
    with pytest.raises(Refused, match=text):
        await engine.control.create("test", "labelled", labels=labels)
