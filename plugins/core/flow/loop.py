"""A loop whose iterations are executions of their own."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from engine.plugin import Block, Kind, RawTask, Shape


class Loop(Block):
    """Run tasks for each item of a list, a map or a file of lines, as executions of their own.

    The tasks see `item.value` (a text; what is no text is JSON), `item.index` from 0, `item.key` for a map, and in a
    loop inside a loop `item.parent` and `item.parents`, the outermost first; besides all that the flow's tasks see.
    Outputs: `iterationCount`, `runningIterations`, `terminatedIterations`, and where `outputs` are declared either
    `outputs`, a list of `item` and `outputs` that `loopOutputs()` reads, or the `uri` of a file of such lines.
    """

    values: str | list[Any] | dict[str, Any] = Field(
        description="A list, a map, an expression of one, or the URI of a file with an item in each line."
    )
    concurrency_limit: int = Field(1, ge=0, description="Iterations at once; 0 is all, within `loops.at_once`.")
    transmit_failed: bool = Field(True, description="A failed iteration fails the loop, and no other one begins.")
    tasks: list[RawTask] = Field(min_length=1, description="The tasks of an iteration, one after another.")
    outputs: list[dict[str, Any]] | None = Field(None, description="Outputs of each iteration: id, type, value.")
    fetch_type: Literal["AUTO", "FETCH", "STORE"] = Field(
        "AUTO", description="FETCH: outputs as a list; STORE: in a file; AUTO: as the items came."
    )

    def shape(self) -> Shape:
        """An execution for each item."""
        return Shape(
            Kind.LOOP,
            ask=self.values,
            concurrent=self.concurrency_limit,
            transmit=self.transmit_failed,
            outputs=("outputs", self.outputs),
            properties={"fetchType": self.fetch_type},
        )
