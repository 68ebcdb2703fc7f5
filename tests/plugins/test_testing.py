"""What plugin authors test with."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from pydantic import BaseModel, Field

from engine.errors import InvalidFlow
from engine.plugin import Context, Result, Task, TaskError
from engine.plugin.testing import run_task


class Greeting(BaseModel):
    """What Greet gives."""

    text: str


class Greet(Task):
    """Greet someone."""

    name: str = Field(min_length=2, description="Who.")
    size: int = 1

    async def run(self, ctx: Context) -> Greeting:
        """Greet."""
        ctx.log(f"greeting {self.name}", "DEBUG")
        return Greeting(text=f"hello {self.name}" * self.size)


class Behave(Task):
    """Do what is asked."""

    what: str

    async def run(self, ctx: Context) -> Any:
        """Do it."""
        if self.what == "warn":
            return Result({"a": 1}, state="WARNING")
        if self.what == "fail":
            raise TaskError("as asked", outputs={"a": 1})
        if self.what == "raise":
            raise KeyError("lost")
        return await anyio.sleep(60)


async def test_a_plugin_is_rendered_validated_and_run() -> None:
    ran = await run_task(Greet, {"name": "{{ vars.who }}", "size": "{{ 1 + 1 }}"}, variables={"who": "Ann"})
    assert (ran.state, ran.outputs) == ("SUCCESS", {"text": "hello Annhello Ann"})
    assert [(line.level, line.message) for line in ran.logs] == [("DEBUG", "greeting Ann")]


async def test_outputs_that_moved_to_storage_are_read_back() -> None:
    ran = await run_task(Greet(name="Ann", size=100_000))
    assert ran.outputs == {"text": "hello Ann" * 100_000}


async def test_what_a_flow_would_be_refused_for_is_raised() -> None:
    with pytest.raises(InvalidFlow, match=r"tasks\[0\].*nmae"):
        await run_task(Greet, {"nmae": "Ann"})


async def test_what_does_not_fit_after_rendering_fails_the_task() -> None:
    ran = await run_task(Greet, {"name": "{{ vars.who }}"}, variables={"who": "A"})
    assert ran.state == "FAILED"
    assert "name" in ran.messages[0]


async def test_states_and_failures_are_those_of_the_engine() -> None:
    assert (await run_task(Behave(what="warn"))).state == "WARNING"
    failed = await run_task(Behave(what="fail"))
    assert (failed.state, failed.outputs, failed.messages) == ("FAILED", {"a": 1}, ["as asked"])
    raised = await run_task(Behave(what="raise"))
    assert (raised.state, raised.messages) == ("FAILED", ["KeyError: 'lost'"])


async def test_a_task_that_does_not_end_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        await run_task(Behave(what="wait"), timeout=0.3)
