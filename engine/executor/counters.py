"""What a task run that starts executions shows of their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.executor.names import LOOP
from engine.executor.plan import Node
from engine.state.execution import Phase
from engine.state.status import Status


def shown_counters(
    node: Node, block: Phase, shown: dict[str, Any] | None, ends: Mapping[Status, int], more: bool = False
) -> dict[str, Any] | None:
    """The outputs with counters as they are now. `ends` by state are those of all children, or some `more`."""
    outputs = dict(shown or {})
    if node.kind is LOOP:
        outputs["iterationCount"] = block.total
        outputs["runningIterations"] = block.live
        outputs["terminatedIterations"] = block.next - block.live
    elif block.total:
        counts: dict[str, int] = dict((outputs.get("iterations") if more else None) or {"CREATED": 0})
        counts["RUNNING"] = block.live
        for state, count in ends.items():
            counts[state.value] = counts.get(state.value, 0) + count
        outputs["numberOfBatches"] = block.total
        outputs["iterations"] = counts
    return outputs or None
