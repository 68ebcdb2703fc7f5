"""Triggers that look at something again and again, and what they are given for that."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from pydantic import Field, field_validator

from engine.errors import TaskError
from engine.plugin.base import Trigger
from engine.plugin.context import Level
from engine.plugin.duration import Duration
from engine.state.ledger import Consumed
from engine.state.status import Status
from engine.store.ledger_port import LedgerStore

LONGEST = 366 * 86_400_000


class TriggerInfo(NamedTuple):
    """A trigger; `dialect`: what its flow is written in."""

    namespace: str
    flow: str
    id: str
    type: str
    dialect: int


class PollContext(Protocol):
    """One poll of one trigger."""

    @property
    def trigger(self) -> TriggerInfo: ...
    @property
    def ledger(self) -> LedgerStore:
        """What is remembered of detected items."""
        ...

    @property
    def one_at_a_time(self) -> bool:
        """Whether its author wrote that only one execution of the trigger may run."""
        ...

    def now(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def log(self, message: str, level: Level = "INFO") -> None: ...

    def progress(self) -> None:
        """Say that the poll gets on: its time-out counts from here."""
        ...

    async def keep(self, key: str, name: str, content: AsyncIterable[bytes]) -> str:
        """Store a file of the execution that the event of that key starts; returns its URI."""
        ...

    async def fire(self, key: str, variables: Mapping[str, Any], consumed: Sequence[Consumed] = ()) -> str | None:
        """Start the execution of an event; returns its id when it is committed, together with what it consumes.

        key: tells the event from everything else that the trigger ever sees; of one key there is one execution
        variables: what expressions see as `trigger.*`
        None where `when` doesn't hold: then nothing is consumed. Raises Conflict where something of it was taken by
        somebody else, and whatever else may be wrong with the flow or its inputs.
        """
        ...

    async def states(self, executions: Sequence[str]) -> Mapping[str, Status]:
        """The states of executions, without those that don't exist."""
        ...

    async def running(self, most: int) -> int:
        """How many executions of the trigger have not ended; `most` is enough to know."""
        ...

    def fired(self) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        """All executions of the trigger with the variables that they were started with."""
        ...


class Audit(NamedTuple):
    """What became of all items of a source.

    counts: items by what became of them; ignored: by the rule that leaves them out
    missing: items that should have started something, and did not
    duplicate: versions that more than one execution has; lost: those whose execution does not exist
    """

    source: str
    counts: Mapping[str, int]
    ignored: Mapping[str, int]
    missing: Sequence[str]
    duplicate: Sequence[str]
    lost: Sequence[str]

    @property
    def good(self) -> bool:
        return not (self.missing or self.duplicate)


class Preview(NamedTuple):
    """What a poll would do now: how many items start executions, of how many each, and some of them."""

    source: str
    items: int
    executions: int
    first: Sequence[str]


class PollingTrigger(Trigger):
    """A trigger that looks at something again and again."""

    starts: ClassVar[bool] = True

    interval: Duration = Field(60_000, description="How long after a look the next one begins; by default PT1M.")

    @field_validator("interval")
    @classmethod
    def _in_range(cls, milliseconds: int) -> int:
        if not 0 < milliseconds <= LONGEST:
            raise ValueError("must be longer than nothing and 366 days at most")
        return milliseconds

    @abstractmethod
    async def poll(self, ctx: PollContext) -> int | None:
        """Look once, and fire for what is new. Returns when to look again if before `interval`, in milliseconds.

        Raise TaskError for a tidy failure; any other exception fails the poll too. It is not tried again at once.
        """

    async def audit(self, ctx: PollContext) -> Audit:
        """Compare what there is with what became of it. Changes nothing."""
        raise TaskError("A trigger of this type keeps no account of what it saw")

    async def preview(self, ctx: PollContext) -> Preview:
        """Tell what the next poll would do. Changes nothing."""
        raise TaskError("A trigger of this type can't tell what it would do")
