"""A few plugin types for tests of flows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.executor.plan import Kind
from engine.ids import NodeId
from engine.plugin.base import Block, Child, RawTask, Shape, Task, TaskRunner, Template
from engine.plugin.index import Index


class Options(BaseModel):
    """Options of a request."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    read_timeout: str | None = None
    follow_redirects: bool = True


class Page(BaseModel):
    """What a request gave."""

    code: int = Field(description="Status code.")
    body: str | None = None


class Log(Task):
    """Write a line to the log.

    More about it.
    """

    aliases: ClassVar[tuple[str, ...]] = ("io.kestra.other.OldLog",)

    message: str | list[str] = Field(description="What to write.")
    level: Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] = Field("INFO", description="How grave it is.")

    async def run(self, ctx: Any) -> None:
        """Write."""


class Request(Task):
    """Fetch a URL."""

    uri: str
    headers: dict[str, str] | None = None
    options: Options | None = None
    retries: int = Field(0, ge=0)
    body: Template | None = None

    async def run(self, ctx: Any) -> Page:
        """Fetch."""
        return Page(code=200)


class Script(Task):
    """Run a script."""

    commands: list[str]
    env: dict[str, str] | None = None
    task_runner: dict[str, Any] | None = None
    container_image: str = "python"

    async def run(self, ctx: Any) -> None:
        """Run."""


class Process(TaskRunner):
    """Run here."""

    shell: str = "sh"

    async def run(self, ctx: Any, program: Any) -> int:
        """Run."""
        return 0


class Sequential(Block):
    """One after another."""

    tasks: list[RawTask] = Field(min_length=1)

    def shape(self) -> Shape:
        return Shape(Kind.SEQUENTIAL)


class If(Block):
    """One way or the other."""

    condition: str
    then: list[RawTask]
    else_: list[RawTask] | None = None

    def shape(self) -> Shape:
        return Shape(Kind.IF, ask=self.condition)

    @classmethod
    def lists(cls, raw: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str | int, ...], Any]]:
        for name in ("then", "else", "errors", "finally"):
            yield name, (name,), raw.get(name)


class Step(BaseModel):
    """A task of a graph and what it waits for."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    task: RawTask
    depends_on: list[str] = []


class Dag(Block):
    """In the order of what depends on what."""

    tasks: list[Step] = Field(min_length=1)
    concurrent: int = 0

    def shape(self) -> Shape:
        waits = {NodeId(str(step.task.get("id"))): tuple(map(NodeId, step.depends_on)) for step in self.tasks}
        return Shape(Kind.DAG, concurrent=self.concurrent, depends_on=waits)

    @classmethod
    def children(cls, raw: Mapping[str, Any]) -> Iterator[Child]:
        for index, step in enumerate(raw["tasks"] if isinstance(raw.get("tasks"), list) else ()):
            if isinstance(step, dict):
                yield Child("tasks", ("tasks", index, "task"), step.get("task"))


class Picky(Block):
    """A block with an opinion."""

    tasks: list[RawTask]

    def shape(self) -> Shape:
        return Shape(Kind.SEQUENTIAL)

    def diagnose(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield ("tasks", 0), "not this one"


class Broken(Task):
    """A plugin whose check fails."""

    async def run(self, ctx: Any) -> None:
        """Never."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)

    def model_post_init(self, context: Any) -> None:
        raise RuntimeError("out of order")


MODULES = ("core.log", "core.flow", "core.http", "scripts.shell")
INDEX = Index({**dict.fromkeys(MODULES, __name__), "core.trigger": "triggers"})
