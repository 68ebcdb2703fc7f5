"""The `retry` property of flows and tasks."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from engine.durations import duration_text
from engine.executor.plan import Backoff, Retry
from engine.plugin.duration import Duration


class RetryFields(BaseModel):
    """When a failed task is tried again."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    type: Literal["constant", "exponential", "random"] = Field(description="How the wait before an attempt is found.")
    interval: Duration | None = Field(None, description="Wait before a retry: constant, or the first exponential one.")
    min_interval: Duration | None = Field(None, description="Shortest wait of a random retry.")
    max_interval: Duration | None = Field(None, description="Longest wait of a random or exponential retry.")
    delay_factor: float = Field(2.0, gt=0, description="By what each exponential wait grows.")
    max_attempts: int = Field(
        0,
        ge=1,
        validation_alias=AliasChoices("maxAttempts", "maxAttempt"),
        description="Attempts in all, the first one included; no limit by default.",
    )
    max_duration: Duration | None = Field(None, description="No retry later than this after the first attempt began.")
    warning_on_retry: bool = Field(False, description="Whether a success that took a retry counts as WARNING.")
    behavior: Literal["RETRY_FAILED_TASK", "CREATE_NEW_EXECUTION"] = Field(
        "RETRY_FAILED_TASK", description="Whether the task is tried again or the whole flow in a new execution."
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.type == "random":
            self._needs("minInterval", self.min_interval)
            self._needs("maxInterval", self.max_interval)
            self._below("minInterval", self.min_interval, "maxInterval", self.max_interval)
            self._below("minInterval", self.min_interval, "maxDuration", self.max_duration)
            self._below("maxInterval", self.max_interval, "maxDuration", self.max_duration)
            return self
        self._needs("interval", self.interval)
        if self.type == "exponential":
            self._needs("maxInterval", self.max_interval)
            self._below("interval", self.interval, "maxInterval", self.max_interval)
        self._below("interval", self.interval, "maxDuration", self.max_duration)
        return self

    def _needs(self, name: str, value: int | None) -> None:
        if value is None:
            raise ValueError(f"'{name}' is required for a retry of type {self.type}")

    @staticmethod
    def _below(lower: str, low: int | None, upper: str, high: int | None) -> None:
        if low is not None and high is not None and low >= high:
            raise ValueError(f"'{lower}' must be less than '{upper}' but is {duration_text(low)}")

    def compiled(self) -> Retry:
        """The same for the plan."""
        return Retry(
            type=Backoff(self.type),
            interval=self.interval or 0,
            min_interval=self.min_interval or 0,
            max_interval=self.max_interval,
            factor=self.delay_factor,
            max_attempts=self.max_attempts,
            max_duration=self.max_duration,
            warning_on_retry=self.warning_on_retry,
            new_execution=self.behavior == "CREATE_NEW_EXECUTION",
        )
