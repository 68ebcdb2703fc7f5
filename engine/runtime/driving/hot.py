"""An execution that a process has in hand, and who waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import anyio

from engine.ids import ExecutionId
from engine.runtime.flows.plans import Compiled
from engine.runtime.rendering.variables import View
from engine.state.event import AnyEvent
from engine.state.execution import Execution
from engine.state.ledger import Consumed
from engine.state.record import Record
from engine.state.trigger import TriggerState


class Done:
    """Told when an event is committed, or why it never will be. One task at most waits for it."""

    __slots__ = ("_event", "_over", "error")

    def __init__(self) -> None:
        self._over = False
        self._event: anyio.Event | None = None
        self.error: Exception | None = None

    def set(self, error: Exception | None = None) -> None:
        self.error = error
        self._over = True
        if self._event is not None:
            self._event.set()

    async def over(self) -> None:
        """Wait, whatever comes of it."""
        # Whoever commits the event by himself never comes to wait.
        if not self._over:
            self._event = anyio.Event()
            await self._event.wait()

    async def wait(self) -> None:
        await self.over()
        if self.error is not None:
            raise self.error


class Watch:
    """Waits for the end of an execution that this process drives."""

    __slots__ = ("_event", "execution")

    def __init__(self) -> None:
        self._event = anyio.Event()
        self.execution: Execution | None = None

    def set(self, execution: Execution) -> None:
        self.execution = execution
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()


class Watches:
    """Who waits for the end of which execution."""

    def __init__(self) -> None:
        self._open: dict[ExecutionId, list[Watch]] = {}

    @contextmanager
    def open(self, id: ExecutionId) -> Iterator[Watch]:
        """Learn of the end of an execution, from now on, while the block is open."""
        watch = Watch()
        self._open.setdefault(id, []).append(watch)
        try:
            yield watch
        finally:
            others = [other for other in self._open[id] if other is not watch]
            if others:
                self._open[id] = others
            else:
                del self._open[id]

    def tell(self, execution: Execution) -> None:
        """An execution has ended."""
        for watch in self._open.get(execution.id, ()):
            watch.set(execution)


class Known(NamedTuple):
    """An execution in memory: its record, its flow and what its templates see."""

    record: Record
    compiled: Compiled
    view: View


class Hot:
    """An execution that this process has in hand. `record`, `compiled` and `view` are there while it is `loaded`.

    trigger, consumed: what is stored with its first step: the state of what starts it, and items that it takes with it
    """

    __slots__ = (
        "_known",
        "asking",
        "children",
        "consumed",
        "draining",
        "ended",
        "id",
        "inbox",
        "latest",
        "parent",
        "running",
        "trigger",
    )

    def __init__(
        self,
        id: ExecutionId,
        latest: bool = False,
        trigger: TriggerState | None = None,
        consumed: Sequence[Consumed] = (),
    ) -> None:
        self.id = id
        self.latest = latest
        self.trigger = trigger
        self.consumed = consumed
        self.inbox: list[tuple[AnyEvent, Done | None]] = []
        self.draining = False
        self.ended = False
        self._known: Known | None = None
        self.running: set[tuple[str, int]] = set()
        self.asking: set[tuple[str, str]] = set()
        self.parent: Hot | None = None
        self.children = 0

    def take(self, record: Record, compiled: Compiled, around: View | None = None) -> None:
        """Know the record; `around` is what an iteration of a loop sees besides."""
        self._known = Known(record, compiled, View(compiled.plan, record, around))
        self.ended = False

    def belong(self, parent: Hot) -> None:
        """Be one of those whose ends another execution waits for: that is kept in hand as long as this one."""
        if self.parent is None:
            self.parent = parent
            parent.children += 1

    def leave(self) -> Hot | None:
        """No longer be in hand. Returns the execution that was kept for it."""
        parent, self.parent = self.parent, None
        if parent is not None:
            parent.children -= 1
        return parent

    def drop(self) -> None:
        """Forget what is known: it is not what is stored."""
        self._known = None

    def go_back(self, record: Record | None) -> None:
        """Take a record for what is known, or forget what is."""
        if record is None:
            self.drop()
        else:
            self.take(record, self.compiled)

    def look_again(self) -> None:
        """Let templates see the record as it is now, after task runs were taken out of it."""
        known = self.known
        self._known = known._replace(view=View(known.compiled.plan, known.record, known.view.around))

    @property
    def loaded(self) -> bool:
        return self._known is not None

    @property
    def known(self) -> Known:
        assert self._known is not None
        return self._known

    @property
    def record(self) -> Record:
        return self.known.record

    @property
    def compiled(self) -> Compiled:
        return self.known.compiled

    @property
    def view(self) -> View:
        return self.known.view

    @property
    def idle(self) -> bool:
        return not (self.draining or self.inbox or self.running or self.asking or self.children)
