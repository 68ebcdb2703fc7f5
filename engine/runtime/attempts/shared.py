"""What all attempts of a process share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import anyio

from engine.clock import Clock
from engine.errors import TaskError
from engine.files.local import LocalFiles
from engine.files.protocol import InternalStorage
from engine.ids import ExecutionId
from engine.plugin.base import Call
from engine.runtime.attempts.stored import StoredExecutions, StoredLogs
from engine.runtime.flows.triggers import Triggers
from engine.runtime.keeping.keys import Keys
from engine.runtime.keeping.logs import LogPump
from engine.runtime.keeping.namespaces import NamespaceFiles
from engine.runtime.keeping.vault import Vault
from engine.runtime.rendering.lookups import LookUps
from engine.runtime.rendering.renderer import Renderer
from engine.runtime.rendering.sources import Sources
from engine.runtime.scripts.environments import Environments
from engine.runtime.scripts.interpreters import Interpreters
from engine.runtime.upkeep.measures import Measures
from engine.settings import Settings
from engine.state.event import AnyEvent, TaskEnded
from engine.state.execution import Execution, TaskRun
from engine.store.protocols import CachedStore

if TYPE_CHECKING:
    import aiohttp

Report = Callable[[ExecutionId, AnyEvent], Awaitable[None]]


class Handed(NamedTuple):
    """The outputs of a task whose work another execution does, and its end where that has ended already."""

    outputs: dict[str, Any]
    ended: TaskEnded | None = None


class Starter(Protocol):
    """Starts the execution that an attempt asks for."""

    async def start(self, parent: Execution, run: TaskRun, type: str, call: Call) -> Handed: ...


class NoStarter:
    """Stands in until the operations on executions are there."""

    async def start(self, parent: Execution, run: TaskRun, type: str, call: Call) -> Handed:
        raise TaskError("No execution can be started here")


class Services:
    """The services of a process, as its attempts use them."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        files: InternalStorage,
        logs: LogPump,
        renderer: Renderer,
        look_ups: LookUps,
        vault: Vault,
        cached: CachedStore,
        keys: Keys,
        namespaces: NamespaceFiles,
        environments: Environments,
        interpreters: Interpreters,
        executions: StoredExecutions,
        stored_logs: StoredLogs,
        triggers: Triggers,
        measures: Measures,
        work_folder: Path,
        stack: AsyncExitStack,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.files = files
        self.sources = Sources(files, LocalFiles(settings.files.allowed))
        self.logs = logs
        self.renderer = renderer
        self.look_ups = look_ups
        self.vault = vault
        self.cached = cached
        self.keys = keys
        self.namespaces = namespaces
        self.environments = environments
        self.interpreters = interpreters
        self.executions = executions
        self.stored_logs = stored_logs
        self.triggers = triggers
        self.measures = measures
        self.work_folder = work_folder
        self.threads = anyio.CapacityLimiter(settings.worker.threads)
        self.subflows: Starter = NoStarter()
        self.report: Report = _unheard
        self._stack = stack
        self._http: aiohttp.ClientSession | None = None

    def http(self) -> aiohttp.ClientSession:
        """The HTTP client session of this process, made at first use."""
        if self._http is None:
            import aiohttp

            self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=True)
            self._stack.push_async_callback(self._http.close)
        return self._http


async def _unheard(id: ExecutionId, event: AnyEvent) -> None:
    raise TaskError("Nothing can be reported here")
