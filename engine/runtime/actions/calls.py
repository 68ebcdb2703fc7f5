"""Flows that templates run: `subflow(…)`.

The execution has an id that follows from the one that asks and from what it asks for: however often a template is
rendered, it runs once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import anyio
import msgspec

from engine.definition.labels import GIVEN, refuse_labels
from engine.durations import parse_duration
from engine.errors import InvalidFlow, InvalidInputs, NotFound, Refused
from engine.expressions.needs import Missing
from engine.ids import ExecutionId, derived_id
from engine.runtime.actions.control import Control
from engine.runtime.actions.creation import Child
from engine.runtime.keeping.outputs import revive
from engine.settings import Expressions
from engine.state.execution import Caller, Execution, ExecutionKind
from engine.state.status import Status

GOOD = frozenset({Status.SUCCESS, Status.WARNING})


class Asked(NamedTuple):
    """What a template asks for. inputs, labels: maps as JSON; timeout: an ISO duration."""

    namespace: str
    flow: str
    inputs: str
    revision: int | None
    labels: str
    timeout: str | None

    def __str__(self) -> str:
        return f"The flow '{self.namespace}.{self.flow}', which subflow() runs,"


class Calls:
    """Runs flows for templates, within the limits of the settings."""

    def __init__(self, control: Control, limits: Expressions) -> None:
        self._control = control
        self._limits = limits

    async def run(self, parent: Execution, arguments: Sequence[Any]) -> Any:
        """What came of the execution: `id`, `state`, `outputs`, `labels`; `Missing` where it can't be run or fails.

        It is killed when it takes longer than its timeout, by default the one of the settings.
        """
        asked = Asked(*arguments)
        id = ExecutionId(derived_id(parent.id, "subflow", *asked[:-1]))
        try:
            seconds = parse_duration(asked.timeout) / 1000 if asked.timeout else self._limits.subflow_seconds
            if not await self._control.exists(id):
                await self._start(id, parent, asked)
        except (NotFound, Refused, InvalidFlow, InvalidInputs, ValueError) as error:
            return Missing(f"{asked} can't be started: {error}")
        return await self._ended(id, asked, seconds)

    async def _start(self, id: ExecutionId, parent: Execution, asked: Asked) -> None:
        depth = parent.caller.depth + 1 if parent.caller else 1
        if depth > self._limits.subflow_depth:
            raise Refused(
                f"calls may not go deeper than a depth of {self._limits.subflow_depth} (expressions.subflow_depth); "
                "do these flows run each other?"
            )
        labels = {key: str(value) for key, value in _map("labels", asked.labels).items()}
        refuse_labels(labels)
        await self._control.create(
            asked.namespace,
            asked.flow,
            revision=asked.revision,
            inputs=_map("inputs", asked.inputs),
            labels=labels,
            child=Child(
                id=id,
                inherited={label.key: label.value for label in parent.labels if label.key in GIVEN},
                caller=Caller(parent.id, "", 1, transmit=False, waits=False, depth=depth),
            ),
            kind=ExecutionKind.TEST if parent.kind is ExecutionKind.TEST else ExecutionKind.NORMAL,
        )

    async def _ended(self, id: ExecutionId, asked: Asked, seconds: float) -> Any:
        ended: Execution | None = None
        with anyio.move_on_after(seconds):
            ended = await self._control.wait(id)
        if ended is None:
            await self._control.kill_if_alive(id)
            return Missing(f"{asked} did not end within {seconds:g} s; its execution {id} is killed")
        if ended.state not in GOOD:
            return Missing(f"{asked} ended {ended.state}; see its execution {id}")
        return {
            "id": ended.id,
            "state": ended.state.value,
            "outputs": revive(ended.outputs or {}),
            "labels": {label.key: label.value for label in ended.labels},
        }


def _map(argument: str, text: str) -> Mapping[str, Any]:
    value = msgspec.json.decode(text)
    if not isinstance(value, dict):
        raise Refused(f"its '{argument}' must be a map")
    return value
