"""Tasks that are written by expressions."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from engine.plugin import Context, ExpressionError, Task, TaskError, installed, unrendered

# What every task may have, whatever its type: it belongs to the task that holds the specification.
COMMON = frozenset(
    {
        "id", "type", "version", "description", "retry", "timeout", "disabled", "runIf", "when", "allowFailure",
        "allowWarning", "logLevel", "logToFile", "onLost", "taskCache", "workerGroup",
    }
)  # fmt: skip
IDLE = frozenset({"id", "type", "description", "version"})


class TemplatedTask(Task):
    """Run the task that a text describes, and give its outputs. The text is rendered first."""

    spec: str = Field(description="YAML of one runnable task: its `type` and properties.")

    async def run(self, ctx: Context) -> Any:
        """Read the text and run the task in this one's place."""
        spec = await self._spec(ctx)
        index = installed()
        plugin = index.find(spec["type"])
        if plugin is TemplatedTask:
            raise TaskError(f"The templated task cannot be of type '{index.canonical(spec['type'])}'")
        if not issubclass(plugin, Task):
            raise TaskError("The templated task must be a runnable task")
        names = {field.alias or name for name, field in plugin.model_fields.items()}
        idle = sorted(name for name in spec if name in COMMON - names - IDLE)
        if idle:
            ctx.log(f"spec: {', '.join(idle)} has no effect here, it belongs to the TemplatedTask itself", "WARN")
        as_written = unrendered(plugin)
        properties = {
            name: value if name in as_written else await ctx.render(value)
            for name, value in spec.items()
            if name not in COMMON or name in names
        }
        return await plugin.model_validate(properties).run(ctx)

    async def _spec(self, ctx: Context) -> dict[str, Any]:
        """The map that the text holds, with a type."""
        try:
            # The engine's own reader, for it knows of texts that grow without end.
            spec = await ctx.render("{{ yaml(spec) }}", {"spec": self.spec}, typed=True)
        except ExpressionError as error:
            raise TaskError(f"spec: can't be read as YAML: {error.reason}") from None
        if not isinstance(spec, dict) or not isinstance(spec.get("type"), str):
            raise TaskError("spec: must be the YAML of one task, a map with its `type` and properties")
        return spec
