"""Tasks that several flows share, put into each of them."""

from __future__ import annotations

from pydantic import Field

from engine.plugin import Block, Kind, RawTask, Shape


class Template(Block):
    """Run the tasks of a stored template as if they stood in the flow. Deprecated: `core.flow.Subflow` does it better.

    Templates are off unless the setting `templates.enabled` is on; `tidegate template apply` stores them. Their tasks
    read the arguments as `{{ parent.outputs.args.NAME }}`.
    """

    namespace: str = Field(min_length=1, description="Namespace of the template.")
    template_id: str = Field(min_length=1, description="Id of the template.")
    args: dict[str, str] = Field(default_factory=dict, description="Values for its tasks.")
    tasks: list[RawTask] | None = Field(None, description="The tasks of the template, put here when the flow is read.")

    def shape(self) -> Shape:
        """One task after another, below the arguments."""
        return Shape(Kind.SCOPE, ask={"args": self.args})
