"""What commands ask of an engine, wherever it is: in this process over a data folder, or a server's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.ids import ExecutionId
from engine.state.execution import Execution, TaskRun
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import Entry, ExecutionFilter, LogLine, SecretInfo, StoredFlow

if TYPE_CHECKING:
    from engine.files.protocol import FileInfo
    from engine.runtime.actions.bulk import Outcome, Which
    from engine.state.trigger import TriggerState


class FlowHead(NamedTuple):
    """A flow in a list: its name and its latest revision."""

    namespace: str
    id: str
    revision: int

    @property
    def name(self) -> str:
        return f"{self.namespace}.{self.id}"


class FlowsPort(Protocol):
    """Flows and their sources."""

    async def list(self, namespace: str | None = None) -> Sequence[FlowHead]:
        """Flows that are not deleted, by namespace and id; with a namespace, those of exactly that one."""
        ...

    async def get(self, namespace: str, id: str, revision: int | None = None) -> StoredFlow:
        """A revision, by default the latest. Raises NotFound."""
        ...

    async def check(self, source: str, file: str) -> tuple[str, str]:
        """Namespace and id of a source without mistakes. Raises InvalidFlow with all of them; `file` names it."""
        ...

    async def inputs(self, flow: StoredFlow) -> Sequence[str]:
        """The names of the inputs that a flow takes."""
        ...

    async def save(self, source: str, file: str) -> StoredFlow:
        """Store a source as the latest revision; one that is stored already stays. Raises InvalidFlow."""
        ...

    async def delete(self, namespace: str, id: str) -> None:
        """Delete a flow; its executions stay. Raises NotFound."""
        ...


class Watcher(Protocol):
    """Is told of what becomes of an execution."""

    def on_change(self, execution: Execution, changed: Sequence[TaskRun]) -> None: ...

    def on_line(self, line: LogLine) -> None: ...


class ExecutionsPort(Protocol):
    """Executions: look at them, start them, act on them. What is acted on by an id raises NotFound and Refused."""

    async def list(self, where: ExecutionFilter) -> Sequence[Execution]:
        """Executions without their task runs, newest first."""
        ...

    async def record(self, id: ExecutionId) -> Record:
        """An execution with its task runs. Raises NotFound."""
        ...

    def lines(self, id: ExecutionId, task: str | None = None, levels: Sequence[str] = ()) -> AsyncIterator[LogLine]:
        """The log lines that there are."""
        ...

    async def files(self, execution: Execution) -> Sequence[FileInfo]:
        """The files that an execution left, as far as they can be listed from here."""
        ...

    async def fetch(self, execution: Execution, address: str, path: Path) -> None:
        """Copy a file of an execution to a local one."""
        ...

    async def start(self, namespace: str, flow: str, inputs: Mapping[str, str], labels: Mapping[str, str]) -> Execution:
        """Start an execution of the latest revision. Raises NotFound, Refused, InvalidInputs."""
        ...

    def watching(self, watcher: Watcher) -> AbstractAsyncContextManager[None]:
        """Tell a watcher of the execution whose end is waited for in the block."""
        ...

    async def until_end(self, id: ExecutionId) -> Execution:
        """Wait until an execution and its afterExecution tasks have ended; the watcher knows all of it then."""
        ...

    async def evaluate(self, id: ExecutionId, expression: str, task: str | None = None) -> Any:
        """Render an expression as the execution, or a task or task run of it, sees it. Raises ExpressionError."""
        ...

    async def goes_on_elsewhere(self, id: ExecutionId) -> bool:
        """Whether another process of this machine has it in hand, which is not asked to show it."""
        ...

    async def finish(self, ids: Sequence[ExecutionId]) -> None:
        """Run those to their end that this process has in hand."""
        ...


class ActionsPort(Protocol):
    """What can be done to an execution. Each raises NotFound, and Refused where it does not fit."""

    async def kill(self, id: ExecutionId, *, cascade: bool = True) -> None:
        """Ask it to stop, with what it started where `cascade`."""
        ...

    async def pause(self, id: ExecutionId) -> None: ...

    async def resume(
        self, id: ExecutionId, inputs: Mapping[str, str] | None = None, task_run: str | None = None
    ) -> None: ...

    async def review(
        self,
        id: ExecutionId,
        decision: str,
        *,
        task_run: str | None = None,
        comment: str | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        """Decide on an Approval: APPROVED or DENIED."""
        ...

    async def unqueue(self, id: ExecutionId, state: Status = Status.RUNNING) -> None: ...

    async def force_run(self, id: ExecutionId) -> None: ...

    async def restart(self, id: ExecutionId, revision: int | None = None) -> Execution: ...

    async def replay(
        self,
        id: ExecutionId,
        task_run: str | None = None,
        revision: int | None = None,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Execution: ...


class BulkPort(Protocol):
    """What is done to many executions: those that are named, or that a filter selects."""

    def trial(self) -> BulkPort:
        """The same, which only tells to which executions it would be done."""
        ...

    async def kill(self, which: Which, *, cascade: bool = True) -> Outcome: ...
    async def pause(self, which: Which) -> Outcome: ...
    async def resume(self, which: Which) -> Outcome: ...
    async def unqueue(self, which: Which, state: Status = Status.RUNNING) -> Outcome: ...
    async def force_run(self, which: Which) -> Outcome: ...
    async def restart(self, which: Which, revision: int | None = None) -> Outcome: ...
    async def replay(self, which: Which, latest: bool = False) -> Outcome: ...
    async def set_status(self, which: Which, state: Status) -> Outcome: ...
    async def set_labels(self, which: Which, labels: Mapping[str, str], remove: Sequence[str] = ()) -> Outcome: ...
    async def delete(self, which: Which, *, logs: bool = True, metrics: bool = True, files: bool = True) -> Outcome: ...


class KeysPort(Protocol):
    """Keys of namespaces and their values."""

    async def list(self, namespace: str | None = None, prefix: str = "") -> Sequence[Entry]:
        """Keys by namespace and name."""
        ...

    async def revisions(self, namespace: str, key: str) -> Sequence[Entry]:
        """The values that a key has and had, the latest first, as far as they are known here."""
        ...

    async def set(
        self,
        namespace: str,
        key: str,
        value: Any,
        *,
        type: str | None = None,
        ttl: int | None = None,
        description: str | None = None,
    ) -> Any:
        """Store a value. `ttl`: milliseconds. Raises Refused."""
        ...

    async def delete(self, namespace: str, key: str) -> bool: ...


class SecretsPort(Protocol):
    """Secrets of namespaces; their values are never shown."""

    async def list(self, namespace: str | None = None) -> Sequence[SecretInfo]: ...

    async def set(self, key: str, value: str, namespace: str = "", description: str | None = None) -> None: ...

    async def delete(self, key: str, namespace: str = "") -> bool: ...


class FileRevision(NamedTuple):
    """A content that a file has or had: its number, bytes, and when it was stored."""

    number: int
    size: int
    modified: int


class FilesPort(Protocol):
    """Files of namespaces, by paths such as `/queries/top.sql`."""

    async def list(self, namespace: str, include: Sequence[str] | None = None) -> Mapping[str, FileInfo]:
        """Files by path, sorted; those that match any of these globs."""
        ...

    async def revisions(self, namespace: str, path: str) -> Sequence[FileRevision]: ...

    async def fetch(self, namespace: str, path: str, revision: int | None, output: Path | None) -> None:
        """Write a content to a local file, or to standard output. Raises NotFound."""
        ...

    async def put(self, namespace: str, path: str, source: Path) -> None:
        """Store a copy of a local file."""
        ...

    async def delete(self, namespace: str, path: str) -> bool:
        """Delete a file or folder; whether there was one."""
        ...


class TriggersPort(Protocol):
    """Triggers, and what is remembered of them."""

    async def list(self, namespace: str | None = None, flow: str | None = None) -> Sequence[TriggerState]:
        """By namespace, flow and id."""
        ...

    async def set_disabled(
        self, namespace: str, flow: str, id: str, disabled: bool, recover: str = "NONE"
    ) -> TriggerState:
        """Switch a trigger. `recover`: what becomes of the dates that it missed."""
        ...


class Client(Protocol):
    """Everything that commands ask of an engine."""

    @property
    def flows(self) -> FlowsPort: ...
    @property
    def executions(self) -> ExecutionsPort: ...
    @property
    def actions(self) -> ActionsPort: ...
    @property
    def bulk(self) -> BulkPort: ...
    @property
    def keys(self) -> KeysPort: ...
    @property
    def secrets(self) -> SecretsPort: ...
    @property
    def files(self) -> FilesPort: ...
    @property
    def triggers(self) -> TriggersPort: ...
    @property
    def here(self) -> bool:
        """Whether the engine is in this process, and sees its environment."""
        ...
