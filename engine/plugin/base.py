"""What a plugin class derives from.

A plugin is a frozen pydantic class. Its fields are the properties that users write (`container_image` is
`containerImage` in YAML), its docstring, field descriptions and the return type of `run` are its documentation and
schema. Properties are rendered first and validated then: `run` never sees `{{ }}`, except in fields typed `Template`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from engine.executor.plan import Kind
from engine.ids import NodeId
from engine.state.heard import Heard

if TYPE_CHECKING:
    from engine.plugin.conditions import Condition
    from engine.plugin.context import Context

RawTask = dict[str, Any]


class Template:
    """A property as its author wrote it, not rendered: a text, map, list or None; for `ctx.render(self.field)`."""

    __slots__ = ("source",)

    def __init__(self, source: Any) -> None:
        self.source = source

    def __bool__(self) -> bool:
        return self.source is not None

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(value),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.source),
            metadata={"pydantic_js_functions": [lambda _schema, _handler: {}]},
        )


def property_name(field: str) -> str:
    """What users write for a field: `container_image` is `containerImage`, `finally_` is `finally`."""
    return to_camel(field.rstrip("_"))


class Plugin(BaseModel):
    """Base of everything that a flow names by `type`.

    aliases: other full type names that mean this class
    internal: it is a part of another type, which no flow names
    """

    model_config = ConfigDict(
        frozen=True, defer_build=True, extra="forbid", alias_generator=property_name, arbitrary_types_allowed=True
    )

    aliases: ClassVar[tuple[str, ...]] = ()
    internal: ClassVar[bool] = False


class Result(NamedTuple):
    """What `run` may return instead of plain outputs.

    outputs: a model, a map or None
    state: SUCCESS or WARNING
    labels, variables: merged into the execution
    removed: names of variables that the execution forgets; dots lead into maps
    end: state in which the whole execution ends now (Exit); `sparing`: those that its tasks started go on
    """

    outputs: Any = None
    state: str = "SUCCESS"
    labels: Mapping[str, str] | None = None
    variables: Mapping[str, Any] | None = None
    end: str | None = None
    removed: Sequence[str] = ()
    sparing: bool = False


class Call(NamedTuple):
    """An execution to be started by a task.

    inputs: values by input id, files as URIs of internal storage
    inherit_labels: all labels of the task's execution, not only those that the system sets
    wait: the attempt ends when that execution does; transmit_failed: and as badly
    schedule_date: when it starts, in milliseconds; None: now
    restart: an edit that runs the task again restarts that execution if it failed, instead of starting another one
    outputs: templates that the execution renders at its end, for a flow that declares no outputs
    """

    namespace: str
    flow: str
    revision: int | None = None
    inputs: Mapping[str, Any] = {}
    labels: Mapping[str, str] = {}
    inherit_labels: bool = False
    wait: bool = True
    transmit_failed: bool = True
    schedule_date: int | None = None
    restart: bool = True
    outputs: Mapping[str, Any] | None = None


class Task(Plugin):
    """A runnable task. `id`, `retry`, `timeout` and the other common properties belong to the engine: not seen here."""

    calls: ClassVar[bool] = False
    """Whether `run` returns a `Call`: the work of such a task is done by another execution."""

    outside: ClassVar[bool] = True
    """Whether `run` looks at or changes anything outside its execution; a recorded test doesn't run such a task."""

    @abstractmethod
    async def run(self, ctx: Context) -> Any:
        """Do the work and return the outputs: a model, a map, None, or a `Result`; with `calls`, a `Call`.

        Raise TaskError for a tidy failure; any other exception fails the task too. Kill, timeout and shutdown arrive as
        cancellation.
        """


class TaskRunner(Plugin):
    """Where a script runs. Named by a script task's `taskRunner`."""

    @abstractmethod
    async def run(self, ctx: Context, program: Program) -> int:
        """Run the program and return its exit code, negative for a signal."""


class Program(NamedTuple):
    """What a script task wants run.

    argv: interpreter and its one argument, or the program and its arguments
    env: variables of the task, on top of what the runner gives
    script: a Python file that an interpreter started ahead may run instead of argv; None where that would differ
    image: container image, for runners that need one
    on_line: called with `stdout` or `stderr` and each line
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    on_line: Any
    script: str | None = None
    image: str | None = None
    python: Any = None


class Shape(NamedTuple):
    """How a block opens its branches, for the executor.

    ask: the expression (text or list) that the block needs when it opens
    concurrent: lanes (ForEach) or children (Parallel, Dag) open at once; 0 is unlimited
    depends_on: for a Dag, child id to the ids it waits for
    on_child_failure: for a Parallel or Dag, what becomes of its other children when one fails: CONTINUE, CANCEL, FAIL,
        or as the dialect has it if empty
    inputs: property and value of the inputs that are asked for when it is resumed
    transmit: whether failures of the executions that it starts are its own; waits: whether it waits for their ends
    outputs: property and value of the outputs that each iteration gives
    properties: what the runtime needs besides, not rendered
    call: what makes the Call of one execution of those properties, rendered for it
    """

    kind: Kind
    ask: Any = None
    concurrent: int = 0
    depends_on: Mapping[NodeId, tuple[NodeId, ...]] = {}
    on_child_failure: str = ""
    inputs: tuple[str, Any] | None = None
    transmit: bool = True
    waits: bool = True
    outputs: tuple[str, Any] | None = None
    properties: Mapping[str, Any] = {}
    call: Callable[[Mapping[str, Any]], Call] | None = None


class Child(NamedTuple):
    """A task inside a block: the branch it belongs to, where it stands below the block, and its raw properties."""

    branch: str
    place: tuple[str | int, ...]
    raw: Any


class Block(Plugin):
    """A task that runs other tasks. Purely a description; the executor does the walking."""

    errors: list[RawTask] | None = None
    finally_: list[RawTask] | None = None

    @abstractmethod
    def shape(self) -> Shape:
        """What the executor must know."""

    @classmethod
    def lists(cls, raw: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str | int, ...], Any]]:
        """Branch name, place and value of each list of child tasks that a block of this class may hold."""
        yield "tasks", ("tasks",), raw.get("tasks")
        yield "errors", ("errors",), raw.get("errors")
        yield "finally", ("finally",), raw.get("finally")

    @classmethod
    def children(cls, raw: Mapping[str, Any]) -> Iterator[Child]:
        """Every child in a raw block, whether or not it is valid."""
        for branch, place, tasks in cls.lists(raw):
            for index, task in enumerate(tasks if isinstance(tasks, list) else ()):
                yield Child(branch, (*place, index), task)

    def diagnose(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Mistakes that only the block itself can see: place below the block and message."""
        yield from ()

    def warn(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What the author of a block should know, and may leave: place below the block and message."""
        yield from ()


class FolderBlock(Block):
    """A block whose tasks run one after another in one folder, all within one attempt of its own.

    Its properties are rendered as those of a task, for `prepare` and `collect`; its tasks are not among them.
    """

    calls: ClassVar[bool] = False

    tasks: list[RawTask] = Field(
        default_factory=list, validate_default=True, description="The tasks, in order; blocks are not among them."
    )

    @field_validator("tasks")
    @classmethod
    def _some(cls, tasks: list[RawTask]) -> list[RawTask]:
        if not tasks:
            raise ValueError("The 'tasks' property cannot be empty")
        return tasks

    def shape(self) -> Shape:
        """One attempt for all children."""
        return Shape(Kind.FOLDER)

    @abstractmethod
    async def prepare(self, ctx: Context) -> None:
        """Fill the folder before the first task. Raises as a task does."""

    @abstractmethod
    async def collect(self, ctx: Context) -> Any:
        """Keep what the tasks left in the folder, however they ended; returns the outputs. Raises as a task does."""


class Calendar(Protocol):
    """The dates of a schedule, in its zone."""

    def after(self, moment: datetime) -> datetime | None:
        """The first one after a moment."""
        ...

    def before(self, moment: datetime) -> datetime | None:
        """The last one before a moment."""
        ...


class Trigger(Plugin):
    """What starts executions. `id`, `conditions`, `inputs`, `labels` and so on are the engine's: not seen here.

    starts: executions are started by it; else it is only checked
    """

    starts: ClassVar[bool] = False

    def calendar_in(self, otherwise: tzinfo) -> Calendar | None:
        """Its dates, where it has some; `otherwise`: their zone where it names none."""
        return None

    @property
    def expects(self) -> bool:
        """Of what is told of executions: whether it must be looked at by itself, too."""
        return False

    def hears(self, conditions: Sequence[Condition]) -> Sequence[Heard]:
        """Executions of other flows that it must be told of, if any; `conditions`: those of the trigger."""
        return ()

    @classmethod
    def diagnose(cls, raw: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Mistakes in what stands beside the own properties: place below the trigger and message."""
        yield from ()

    @classmethod
    def warn(cls, raw: Mapping[str, Any]) -> Iterator[str]:
        """What the author of a trigger should know, and may leave."""
        yield from ()
