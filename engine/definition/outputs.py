"""Declared outputs of a flow, and their values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.definition.coerce import Seal, coerce
from engine.errors import InvalidInputs
from engine.executor.plan import FlowOutput

InputId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][.a-zA-Z0-9_-]*$")]
ValueType = Literal[
    "STRING", "INT", "FLOAT", "BOOLEAN", "BOOL", "DATETIME", "DATE", "TIME", "DURATION", "FILE", "JSON", "YAML", "URI",
    "EMAIL", "SECRET", "SELECT", "MULTISELECT", "ENUM", "ARRAY", "ION",
]  # fmt: skip


class Output(BaseModel):
    """One output of a flow."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    id: InputId = Field(description="Name of the output.")
    type: ValueType = Field(description="Type of the value.")
    value: Any = Field(description="Expression, rendered when all tasks have ended.")
    description: str | None = Field(None, description="What the output is, in Markdown.")
    display_name: str | None = Field(None, description="Name shown to people.")
    required: bool = Field(True, description="Whether a null value fails the execution.")

    def compiled(self) -> FlowOutput:
        """The same for the plan."""
        return FlowOutput(id=self.id, type=self.type, value=self.value, required=self.required)


def coerce_output(declared: FlowOutput, value: Any, seal: Seal) -> Any:
    """A rendered value as its declared type. Raises InvalidInputs naming the output."""
    try:
        if value is None:
            if declared.required:
                raise ValueError("it has no value; write `required: false` if that is allowed")
            return None
        coerced = coerce(declared.type, value)
        return seal(coerced) if declared.type == "SECRET" else coerced
    except ValueError as error:
        message = f"Invalid value for output `{declared.id}`. Cause: {error}"
        raise InvalidInputs({declared.id: message}) from None
