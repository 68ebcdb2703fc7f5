"""A task that switches triggers off and on."""

from __future__ import annotations

from pydantic import Field

from engine.errors import NotFound
from engine.plugin import Context, Task, TaskError


class Toggle(Task):
    """Switch a trigger off or on."""

    trigger: str = Field(description="Id of the trigger.")
    flow_id: str | None = Field(None, description="Id of its flow; by default that of this execution.")
    namespace: str | None = Field(None, description="Namespace of its flow; by default that of this execution.")
    enabled: bool = Field(False, description="Whether it is on afterwards.")

    async def run(self, ctx: Context) -> None:
        """Look for the trigger and switch it."""
        namespace, flow = self.namespace or ctx.execution.namespace, self.flow_id or ctx.execution.flow
        try:
            await ctx.triggers.set_disabled(namespace, flow, self.trigger, not self.enabled)
        except NotFound as error:
            if error.kind == "flow":
                raise TaskError(f"Unable to find flow {namespace}.{flow}. Make sure that it is stored.") from None
            what = f"Unable to find trigger {self.trigger} for the flow {namespace}.{flow}"
            raise TaskError(f"{what}: {error.hint}") from None
