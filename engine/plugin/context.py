"""What a running task gets: a few methods and a facet for each subject."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar

from engine.plugin.working import Folder, Programs
from engine.settings import Settings
from engine.state.status import Status

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")
Level = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]
LEVELS: tuple[Level, ...] = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


class ExecutionInfo(NamedTuple):
    id: str
    namespace: str
    flow: str
    revision: int
    tenant: str


class TaskInfo(NamedTuple):
    """`run` is the id of the task run, `attempt` counts from 1, `value` is the loop value."""

    id: str
    type: str
    run: str
    attempt: int
    value: str | None


class Files(Protocol):
    """Internal storage, seen from a task run. URIs are `kestra:///…`, or `nsfile:///…` for files of namespaces."""

    async def put(
        self, name: str, source: bytes | str | Path | AsyncIterable[bytes], attributes: Mapping[str, str] | None = None
    ) -> str:
        """Store a file of this task run under a name and return its URI."""
        ...

    def read(self, uri: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes of a file in chunks."""
        ...

    async def fetch(self, uri: str, path: Path) -> None:
        """Copy a file to a local path."""
        ...

    async def size(self, uri: str) -> int: ...

    async def exists(self, uri: str) -> bool: ...

    async def attributes(self, uri: str) -> Mapping[str, str]: ...

    async def delete(self, uri: str) -> bool: ...


class Kv(Protocol):
    """Keys of the flow's namespace, or of another one. Every method raises TaskError for a malformed key or namespace.

    A value is a JSON value; a DATETIME, DATE or DURATION is ISO-8601 text.
    """

    async def get(self, key: str, namespace: str | None = None) -> Any:
        """The value, or None where there is no such key. Raises TaskError, once, for one that has expired."""
        ...

    async def set(
        self,
        key: str,
        value: Any,
        namespace: str | None = None,
        *,
        type: str | None = None,
        ttl: int | None = None,
        overwrite: bool = True,
        description: str | None = None,
    ) -> None:
        """Store a value; `type` says what to read a text as, `ttl` in how many milliseconds it expires.

        Raises TaskError for a value that is none of the type, and for a taken key where `overwrite` is off.
        """
        ...

    async def delete(self, key: str, namespace: str | None = None) -> bool:
        """Delete a key; whether there was one."""
        ...

    async def keys(self, prefix: str = "", namespace: str | None = None) -> list[str]:
        """Keys that begin so, sorted."""
        ...

    async def purge(
        self,
        *,
        key: str | None = None,
        namespaces: Sequence[str] | None = None,
        namespace: str | None = None,
        below: bool = True,
        expired_only: bool = True,
    ) -> int:
        """Delete what has expired, or everything, of all namespaces that matches; returns how many.

        key: glob of keys; namespaces: names, with those below them unless `below` is off; namespace: glob of names
        """
        ...

    async def purge_revisions(
        self,
        *,
        key: str | None = None,
        namespaces: Sequence[str] | None = None,
        namespace: str | None = None,
        below: bool = True,
        keep: int = 1,
        before: int | None = None,
    ) -> int:
        """Drop earlier values of keys that match; returns how many.

        keep: how many values of a key stay, with the one of now
        before: only those stored before, in milliseconds since the epoch
        """
        ...


class Namespaces(Protocol):
    """Files of the flow's namespace, or of another one. Paths are `/folder/file.txt`."""

    async def find(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] = (), namespace: str | None = None
    ) -> dict[str, str]:
        """URIs by path of the files that match any glob of `include`, by default all, and none of `exclude`."""
        ...

    async def put(
        self, path: str, source: bytes | str | Path | AsyncIterable[bytes], namespace: str | None = None
    ) -> str:
        """Store a file, replacing what was there; returns its URI."""
        ...

    def uri(self, path: str, namespace: str | None = None) -> str:
        """The URI of a file, whether or not it is there."""
        ...

    async def exists(self, path: str, namespace: str | None = None) -> bool: ...

    async def delete(self, path: str, namespace: str | None = None) -> bool:
        """Delete a file, or a folder with all that is in it; whether there was one."""
        ...

    async def purge(
        self,
        *,
        pattern: str | None = None,
        namespaces: Sequence[str] | None = None,
        namespace: str | None = None,
        below: bool = True,
        keep: int | None = None,
        before: int | None = None,
    ) -> int:
        """Drop older contents of files that match; returns how many.

        keep: how many contents of a file stay, with that of now
        before: only those stored before, in milliseconds since the epoch
        """
        ...


class ExecutionChoice(NamedTuple):
    """Which executions; what is absent selects nothing away.

    namespace: with a flow this very one, without one also those below it
    since, until: when they were created; `until` is not included
    """

    namespace: str | None = None
    flow: str | None = None
    states: Sequence[Status] = ()
    since: datetime | None = None
    until: datetime | None = None


class Purged(NamedTuple):
    """How much was removed."""

    executions: int = 0
    logs: int = 0
    metrics: int = 0
    files: int = 0


class Executions(Protocol):
    """All executions, whichever flow is theirs."""

    async def find(self, id: str) -> ExecutionInfo | None: ...

    async def flows(self, namespace: str) -> list[str]:
        """Ids of the flows of a namespace."""
        ...

    async def count(self, choice: ExecutionChoice) -> int: ...

    async def kill(self, id: str, *, cascade: bool = True) -> None:
        """Stop an execution; it ends KILLED. Raises NotFound, Conflict when it has ended.

        cascade: also those that its tasks started
        """
        ...

    async def resume(self, id: str, inputs: Mapping[str, Any] | None = None) -> None:
        """Let a paused execution go on. Raises NotFound, Refused when it isn't paused, InvalidInputs."""
        ...

    async def purge(
        self,
        choice: ExecutionChoice,
        *,
        executions: bool = True,
        logs: bool = True,
        metrics: bool = True,
        files: bool = True,
    ) -> Purged:
        """Remove executions that have ended, or parts of them; others are left alone."""
        ...

    async def purge_files(self, execution: ExecutionInfo) -> list[str]:
        """Delete every file of an execution in internal storage; returns their URIs."""
        ...


class LogEntry(NamedTuple):
    """One log line."""

    at: datetime
    level: str
    message: str
    namespace: str
    flow: str
    execution: str
    task: str | None
    task_run: str | None
    attempt: int | None


class Logs(Protocol):
    """All log lines, whichever execution wrote them."""

    def lines(self, execution: str, *, level: Level = "TRACE", tasks: Sequence[str] = ()) -> AsyncIterator[LogEntry]:
        """Lines of an execution in order, from a level on, of some tasks or all."""
        ...

    async def purge(
        self,
        *,
        until: datetime,
        since: datetime | None = None,
        namespace: str | None = None,
        flow: str | None = None,
        execution: str | None = None,
        levels: Sequence[Level] = (),
    ) -> int:
        """Remove lines written before `until`; returns how many. Without a flow also those below the namespace."""
        ...


class Triggers(Protocol):
    """The triggers of all flows."""

    async def set_disabled(self, namespace: str, flow: str, id: str, disabled: bool) -> Any:
        """Switch a trigger off or on; dates that it missed meanwhile are left out. Raises NotFound."""
        ...


class Context(Protocol):
    """One attempt of one task run."""

    @property
    def execution(self) -> ExecutionInfo: ...
    @property
    def task(self) -> TaskInfo: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def files(self) -> Files: ...
    @property
    def kv(self) -> Kv: ...
    @property
    def namespaces(self) -> Namespaces: ...
    @property
    def folder(self) -> Folder: ...
    @property
    def programs(self) -> Programs: ...
    @property
    def executions(self) -> Executions: ...
    @property
    def logs(self) -> Logs: ...
    @property
    def triggers(self) -> Triggers: ...

    def log(self, message: str, level: Level = "INFO") -> None:
        """Write a log line; kept in order, cheap to call."""
        ...

    def metric(
        self, name: str, value: float, kind: Literal["counter", "timer", "gauge"] = "counter", /, **tags: str
    ) -> None:
        """Publish a metric; timers in milliseconds."""
        ...

    async def render(
        self, value: Any, variables: Mapping[str, Any] | None = None, /, *, typed: bool = False, **more: Any
    ) -> Any:
        """Render a Template, text, map or list with extra variables. None stays None.

        typed: whether a text that is a single expression keeps the type of its value
        """
        ...

    async def report(
        self,
        id: str,
        state: Status,
        *,
        task: str | None = None,
        outputs: Mapping[str, Any] | None = None,
        error: str | None = None,
        value: str | None = None,
    ) -> None:
        """Show a part of the work as a task run of its own, below this one; returns when that is stored.

        id: names the part within this attempt; it may be reported again until its state is a terminal one
        task: what it shows as the id of its task, by default `id`; no task of the flow may have that id
        value: like the value of a loop, another level of its outputs

        Raises TaskError for a name that is taken or can't be one, and for more parts than an attempt may have.
        """
        ...

    async def thread(self, function: Callable[..., T], *args: Any, stop: Callable[[], object] | None = None) -> T:
        """Run blocking work in a thread. On cancellation `stop` is called and the work awaited."""
        ...

    def seal(self, text: str) -> dict[str, Any]:
        """The encrypted form of a text: as an output it reaches later tasks as the text and shows to nobody else."""
        ...

    def http(self) -> aiohttp.ClientSession:
        """The process's HTTP client session; don't close it."""
        ...
