"""In which time what a Flow trigger depends on must happen."""

from __future__ import annotations

from datetime import time
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from engine.plugin import Duration


class Window(BaseModel):
    """The window of dialect 2: until a deadline, between two times, every so often, or looking back."""

    model_config = ConfigDict(
        frozen=True, defer_build=True, extra="forbid", alias_generator=lambda name: to_camel(name.rstrip("_"))
    )

    deadline: time | None = Field(None, description="The window begins at midnight and ends then.")
    from_: time | None = Field(None, description="The window begins then each day.")
    to: time | None = Field(None, description="The window ends then each day.")
    every: Duration | None = Field(None, description="Windows of this length follow one another.")
    offset: str | None = Field(None, description="By how much the windows of `every` are shifted.")
    lookback: Duration | None = Field(None, description="The window is the time before now, as long as this.")
    fire_once: bool = Field(False, description="Whether everything is waited for anew after it fired.")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        groups = {
            "deadline": self.deadline is not None,
            "from and to": self.from_ is not None or self.to is not None,
            "every": self.every is not None,
            "lookback": self.lookback is not None,
        }
        given = [name for name, there in groups.items() if there]
        if len(given) > 1:
            raise ValueError(f"a window is made by one of {', '.join(groups)}, but has {' and '.join(given)}")
        if (self.from_ is None) != (self.to is None):
            raise ValueError("'from' and 'to' belong together")
        if self.offset is not None and self.every is None:
            raise ValueError("'offset' has no meaning without 'every'")
        return self
