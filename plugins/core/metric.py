"""Metrics of a flow's own."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.plugin import Context, Task, TaskError, parse_duration


class Measure(BaseModel):
    """One metric."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(min_length=1, description="Name of the metric.")
    type: Literal["counter", "timer", "gauge"] = Field("counter", description="What kind of metric it is.")
    value: float | str = Field(description="A number; for a timer a duration such as PT1.5S, or milliseconds.")
    tags: dict[str, Any] | None = Field(None, description="Tags with their values.")
    description: str | None = Field(None, description="What is measured, for the reader of the flow.")


class Publish(Task):
    """Publish metrics."""

    outside = False

    metrics: list[Measure] = Field(description="The metrics.")

    async def run(self, ctx: Context) -> None:
        """Publish each metric."""
        for number, metric in enumerate(self.metrics):
            tags = {key: value if isinstance(value, str) else str(value) for key, value in (metric.tags or {}).items()}
            ctx.metric(metric.name, _number(metric, f"metrics[{number}].value"), metric.type, **tags)


def _number(metric: Measure, place: str) -> float:
    text = str(metric.value).strip()
    try:
        return float(text)
    except ValueError:
        if metric.type != "timer":
            raise TaskError(f"{place}: must be a number, but is '{text}'") from None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise TaskError(f"{place}: {error}") from None
