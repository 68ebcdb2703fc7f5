"""Follows an execution while it runs: a live tree in a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from anyio.abc import TaskStatus
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.text import Text
from rich.tree import Tree

from engine.cli import look
from engine.clock import Clock, SystemClock
from engine.errors import Conflict
from engine.ids import ExecutionId
from engine.state.execution import Execution, TaskRun, lane_of, parent_path
from engine.state.status import Status
from engine.store.rows import LogLine

if TYPE_CHECKING:
    from engine.cli.port import Client

REFRESH_SECONDS = 0.1
SHOWN_CHILDREN = 12


class Progress:
    """What is known of the execution so far. The first one that is seen is the one that is shown."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._live = console.is_terminal
        self.execution: Execution | None = None
        self.runs: dict[str, TaskRun] = {}

    def on_change(self, execution: Execution, changed: Sequence[TaskRun]) -> None:
        """Take in a committed step."""
        if self.execution is not None and execution.id != self.execution.id:
            return
        if self.execution is None and not self._live:
            self._console.print(f"Execution {execution.id} of {execution.namespace}.{execution.flow}")
        self.execution = execution
        for run in changed:
            before = self.runs.get(run.path)
            self.runs[run.path] = run
            if not self._live and (before is None or before.state is not run.state):
                self._say(run)
        if execution.state.terminal and not self._live:
            took = look.lasted(execution, self._clock.now())
            self._console.print(
                f"{look.state(execution.state)} [bold]{escape(execution.flow)}[/] [bright_black]{took}[/]"
            )

    def on_line(self, line: LogLine) -> None:
        """Show a log line above the tree."""
        style = look.LEVEL_STYLES.get(line.level, "white")
        head = f"[bright_black]{look.clock_time(line.at)}[/] [{style}]{line.level:<5}[/] "
        for part in line.message.splitlines() or [""]:
            self._console.print(f"{head}[bold]{escape(line.task or '')}[/]  {escape(part)}")

    def __rich__(self) -> RenderableType:
        if self.execution is None:
            return Text("Starting…")
        now = self._clock.now()
        execution = self.execution
        top = Tree(
            f"{look.state(execution.state)}  [bold]{escape(execution.flow)}[/] "
            f"[bright_black]{escape(execution.namespace)} · {execution.id} · {look.lasted(execution, now)}[/]"
        )
        children: dict[str, list[TaskRun]] = {}
        for run in self.runs.values():
            children.setdefault(parent_path(run.path), []).append(run)
        self._grow(top, "", children, now)
        return Group(top)

    def _grow(self, tree: Tree, path: str, children: dict[str, list[TaskRun]], now: int) -> None:
        runs = sorted(children.get(path, ()), key=lambda run: (lane_of(run.path) or 0, run.order))
        shown = runs if len(runs) <= SHOWN_CHILDREN else _most_telling(runs)
        for run in shown:
            value = f" [bright_black]{look.brief(run.value, 40)}[/]" if run.value is not None else ""
            tries = f" [yellow]attempt {len(run.attempts)}[/]" if len(run.attempts) > 1 else ""
            branch = tree.add(
                f"{look.state(run.state)}  {escape(run.node)}{value} [bright_black]{look.lasted(run, now)}[/]{tries}"
            )
            if error := _reason(run):
                branch.add(Text(" ".join(error.split()), style="red", no_wrap=False, overflow="fold"))
            self._grow(branch, run.path, children, now)
        if len(shown) < len(runs):
            counts = Counter(run.state for run in runs)
            told = ", ".join(f"{count} {look.state(state)}" for state, count in counts.most_common())
            tree.add(f"[bright_black]{len(runs)} task runs:[/] {told}")

    def _say(self, run: TaskRun) -> None:
        if run.state.terminal or run.state is Status.RETRYING:
            value = f" {look.brief(run.value, 40)}" if run.value is not None else ""
            self._console.print(
                f"[bright_black]{look.clock_time(run.history[-1].at)}[/] {look.state(run.state)} "
                f"[bold]{escape(run.node)}[/]{value} [bright_black]{look.lasted(run, self._clock.now())}[/]"
            )


def _reason(run: TaskRun) -> str | None:
    """Why a task run failed, in words."""
    if run.state not in (Status.FAILED, Status.WARNING):
        return None
    return run.error or next((attempt.error for attempt in reversed(run.attempts) if attempt.error), None)


def _most_telling(runs: Sequence[TaskRun]) -> list[TaskRun]:
    """Those that failed or still run, then the latest, in their order."""
    first = [run for run in runs if run.state not in (Status.SUCCESS, Status.SKIPPED)]
    rest = [run for run in runs if run.state in (Status.SUCCESS, Status.SKIPPED)]
    chosen = {run.path for run in (first[:SHOWN_CHILDREN] + rest[::-1])[:SHOWN_CHILDREN]}
    return [run for run in runs if run.path in chosen]


class Follower:
    """Shows an execution until it ends. Ctrl-C kills the execution where `kills`; a second one leaves at once.

    Opened before the execution is begun: an interrupt that comes sooner leaves at once, too.
    """

    def __init__(self, client: Client, console: Console, *, kills: bool = True) -> None:
        self._client = client
        self._console = console
        self._kills = kills
        self._stack = AsyncExitStack()
        self._tasks = anyio.create_task_group()
        self.progress = Progress(console, SystemClock())

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        await self._tasks.start(self._kill_on_interrupt)
        await self._stack.enter_async_context(self._client.executions.watching(self.progress))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        await self._stack.aclose()
        self._tasks.cancel_scope.cancel()
        return await self._tasks.__aexit__(kind, error, trace)

    async def until_end(self, id: ExecutionId) -> Execution:
        """Raises KeyboardInterrupt on the second interrupt."""
        async with anyio.create_task_group() as tasks:
            if self._console.is_terminal:
                await tasks.start(self._show)
            execution = await self._client.executions.until_end(id)
            tasks.cancel_scope.cancel()
        return execution

    async def _show(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the tree up to date until cancelled; the last state stays on the screen."""
        with Live(self.progress, console=self._console, auto_refresh=False) as live:
            task_status.started()
            try:
                await self._refresh(live)
            finally:
                live.refresh()

    async def _refresh(self, live: Live) -> None:
        while True:
            live.refresh()
            await anyio.sleep(REFRESH_SECONDS)

    async def _kill_on_interrupt(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        interrupts = 0
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                interrupts += 1
                execution = self.progress.execution
                if interrupts > 1 or execution is None or not self._kills:
                    raise KeyboardInterrupt
                self._console.print("[magenta]Killing the execution; once more leaves at once.[/]")
                try:
                    await self._client.actions.kill(execution.id)
                except Conflict:
                    # It ended by itself in the same moment.
                    return
