"""The Context that a task gets, over the services of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import anyio
import anyio.to_thread

from engine.expressions.masks import masked
from engine.files.addresses import cache_file, task_folder
from engine.plugin.base import Template
from engine.plugin.context import LEVELS, ExecutionInfo, Level, TaskInfo
from engine.plugin.working import OnLine, PythonEnvironment
from engine.runtime.attempts.belongings import TaskFiles, TaskKeys, TaskNamespaces
from engine.runtime.attempts.folder import WorkingFolder
from engine.runtime.attempts.folder_cache import FolderCache
from engine.runtime.attempts.log_file import LogFile
from engine.runtime.attempts.reports import Reports
from engine.runtime.attempts.shared import Services
from engine.runtime.attempts.stored import StoredExecutions, StoredLogs
from engine.runtime.flows.triggers import Triggers
from engine.runtime.keeping.outputs import plain
from engine.runtime.rendering.variables import Variables
from engine.runtime.scripts.process import run_process
from engine.state.execution import Execution, TaskRun
from engine.state.status import Status
from engine.store.rows import LogLine, Metric

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")


class TaskPrograms:
    """Programs for one task run."""

    def __init__(self, services: Services, run: TaskRun, folder: WorkingFolder) -> None:
        self._services = services
        self._run = run
        self._folder = folder

    async def run(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, on_line: OnLine) -> int:
        return await run_process(
            argv,
            env={**env, "TIDEGATE_TASK_RUN": self._run.id},
            cwd=cwd,
            on_line=on_line,
            grace=self._services.settings.worker.grace_seconds,
        )

    async def run_ahead(self, script: Path, *, env: Mapping[str, str], cwd: Path, on_line: OnLine) -> int:
        return await self._services.interpreters.run(
            script, cwd=cwd, env={**env, "TIDEGATE_TASK_RUN": self._run.id}, on_line=on_line
        )

    async def python(
        self, *, version: str | None = None, before: Sequence[str] = (), dependencies: Sequence[str] = ()
    ) -> PythonEnvironment:
        return await self._services.environments.get(
            version=version,
            before=before,
            dependencies=dependencies,
            folder=self._folder.path if before else None,
        )

    def environment(self, python: PythonEnvironment | None, env: Mapping[str, str]) -> dict[str, str]:
        return self._services.environments.variables(python, env)


class TaskContext:
    """One attempt of one task run."""

    def __init__(
        self,
        services: Services,
        execution: Execution,
        run: TaskRun,
        type: str,
        level: str | None,
        variables: Variables,
        shared: WorkingFolder | None = None,
        log_file: LogFile | None = None,
    ) -> None:
        self._services = services
        self._execution = execution
        self._run = run
        self._variables = variables
        self._least = LEVELS.index(level) if level in LEVELS else 0
        self._lines = 0
        self._second = (0, 0)
        self._type = type
        self._shared = shared
        self._log_file = log_file
        self.masks: set[str] = set()
        self.settings = services.settings

    @cached_property
    def execution(self) -> ExecutionInfo:
        of = self._execution
        return ExecutionInfo(of.id, of.namespace, of.flow, of.revision, of.tenant)

    @cached_property
    def task(self) -> TaskInfo:
        run = self._run
        return TaskInfo(run.node, self._type, run.id, run.attempt, run.value)

    @cached_property
    def address(self) -> str:
        """Where the files of this task run lie in internal storage."""
        of = self._execution
        return task_folder(of.namespace, of.flow, of.home, self._run.node, self._run.id)

    @cached_property
    def files(self) -> TaskFiles:
        return TaskFiles(self._services.files, self._services.sources, self.address, self._execution.namespace)

    @cached_property
    def folder(self) -> WorkingFolder:
        shared = None if self._shared is None else self._shared.path
        of = self._execution
        kept = cache_file(of.namespace, of.flow, self._run.node, self._run.value)
        base = self._services.work_folder
        cache = FolderCache(self._services.files, self._services.clock, kept, base)
        return WorkingFolder(base, self.files, cache, shared)

    @cached_property
    def _reports(self) -> Reports:
        return Reports(self._services.clock, self._services.report, self._execution.id, self._run, self._variables)

    @cached_property
    def programs(self) -> TaskPrograms:
        return TaskPrograms(self._services, self._run, self.folder)

    @cached_property
    def kv(self) -> TaskKeys:
        return TaskKeys(self._services.keys, self._execution.namespace, self.masks)

    @cached_property
    def namespaces(self) -> TaskNamespaces:
        return TaskNamespaces(self._services.namespaces, self._execution.namespace)

    @property
    def executions(self) -> StoredExecutions:
        return self._services.executions

    @property
    def logs(self) -> StoredLogs:
        return self._services.stored_logs

    @property
    def triggers(self) -> Triggers:
        return self._services.triggers

    @property
    def made_folder(self) -> bool:
        """Whether there is a working directory to clear away."""
        return "folder" in self.__dict__ and self.folder.made

    @property
    def wrote_logs(self) -> bool:
        return self._lines > 0

    def log(self, message: str, level: Level = "INFO") -> None:
        if LEVELS.index(level) < self._least or not self._admitted():
            return
        self._put(self._cut(self.masked(message)), level)

    def metric(
        self, name: str, value: float, kind: Literal["counter", "timer", "gauge"] = "counter", /, **tags: str
    ) -> None:
        self._services.logs.metric(
            Metric(
                at=self._services.clock.now(),
                type=kind,
                name=name,
                value=value,
                tags={key: self.masked(text) for key, text in tags.items()},
                namespace=self._execution.namespace,
                flow=self._execution.flow,
                execution=self._execution.home,
                task=self._run.node,
                task_run=self._run.id,
            )
        )

    async def render(
        self, value: Any, variables: Mapping[str, Any] | None = None, /, *, typed: bool = False, **more: Any
    ) -> Any:
        source = value.source if isinstance(value, Template) else value
        if source is None:
            return None
        extra = {**variables, **more} if variables else more
        return await self._services.renderer.render(
            source,
            self._variables.extended(extra) if extra else self._variables,
            typed=typed,
            look_up=self._services.look_ups.for_execution(self._execution, self._variables),
            masks=self.masks,
        )

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
        kept = self._services.vault.seal_secrets(plain(outputs), self.masks) if outputs is not None else None
        said = None if error is None else self.masked(error)
        await self._reports.add(id, state, task=task, outputs=kept, error=said, value=value)

    async def thread(self, function: Callable[..., T], *args: Any, stop: Callable[[], object] | None = None) -> T:
        done = threading.Event()

        def work() -> T:
            try:
                return function(*args)
            finally:
                done.set()

        try:
            return await anyio.to_thread.run_sync(
                work, limiter=self._services.threads, abandon_on_cancel=stop is not None
            )
        except BaseException:
            if stop is not None and not done.is_set():
                stop()
                with anyio.CancelScope(shield=True):
                    await self._ended(done, stop)
            raise

    def http(self) -> aiohttp.ClientSession:
        return self._services.http()

    async def _ended(self, done: threading.Event, stop: Callable[[], object]) -> None:
        """Wait for stopped work; it may not have listened the first time."""
        with anyio.move_on_after(self.settings.worker.grace_seconds):
            while not done.is_set():
                await anyio.sleep(0.01)
                stop()

    def _admitted(self) -> bool:
        """Count a line against the limits; say once when one is reached."""
        limits = self.settings.logs
        self._lines += 1
        if self._lines > limits.lines_per_attempt:
            if self._lines == limits.lines_per_attempt + 1:
                self._put(
                    f"Log limit reached: {limits.lines_per_attempt} lines in one attempt; the rest is left out", "WARN"
                )
            return False
        second = self._services.clock.now() // 1000
        count = self._second[1] + 1 if self._second[0] == second else 1
        self._second = (second, count)
        if count > limits.lines_per_second:
            if count == limits.lines_per_second + 1:
                self._put(
                    f"Log limit reached: {limits.lines_per_second} lines in one second; some are left out", "WARN"
                )
            return False
        return True

    def masked(self, message: str) -> str:
        """A text with stars in the place of secrets."""
        return masked(message, self.masks)

    def seal(self, text: str) -> dict[str, Any]:
        return self._services.vault.seal(text)

    def _cut(self, message: str) -> str:
        limit = self.settings.logs.line_bytes
        if len(message) > limit:
            return f"{message[:limit]}… ({len(message) - limit} more characters left out)"
        return message

    def _put(self, message: str, level: Level) -> None:
        line = LogLine(
            at=self._services.clock.now(),
            level=level,
            message=message,
            namespace=self._execution.namespace,
            flow=self._execution.flow,
            execution=self._execution.home,
            task=self._run.node,
            task_run=self._run.id,
            attempt=self._run.attempt,
        )
        if self._log_file is None:
            self._services.logs.line(line)
        else:
            self._log_file.add(line)
            self._services.logs.show(line)
