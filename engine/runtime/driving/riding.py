"""Lets the end of an iteration be written with the step in which its loop counts it: one transaction, no timer.

Where the loop's own step can't be written or doesn't count the end, the iteration ends in a step of its own, whose
timer tells the loop again should this process die.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from engine.runtime.driving.callees import child_ended
from engine.runtime.driving.changes import Changes
from engine.runtime.driving.hot import Done, Hot
from engine.state.command import Ended
from engine.state.event import AnyEvent, ChildEnded
from engine.state.execution import ExecutionKind
from engine.state.status import Status
from engine.store.rows import Write


class Rider(Done):
    """The last step of an iteration, on its way into a step of the execution around.

    write: the step, without the timer that tells of the end; written: whether it is stored
    """

    __slots__ = ("event", "write", "written")

    def __init__(self, write: Write) -> None:
        super().__init__()
        caller = write.execution.caller
        assert caller is not None
        self.write = write
        self.event = child_ended(write.execution, caller)
        self.written = False


def may_ride(hot: Hot, changes: Changes, before: Status) -> bool:
    """Whether a step ends an iteration whose loop is in this process, and nothing else is to be heard before."""
    execution = hot.record.execution
    return (
        execution.kind is ExecutionKind.LOOP
        and execution.finished
        and hot.parent is not None
        and execution.version > 0
        and before is not Status.PAUSED
        and not changes.starts
        and not changes.told
        and any(isinstance(command, Ended) for command in changes.commands)
        and all(kind == "tell" for _, kind in changes.timers)
    )


def counted(riders: Iterable[Rider], changes: Changes) -> list[Rider]:
    """The riders whose ends a step takes in. No timer is to be forgotten for them."""
    told = set(changes.told)
    along = [rider for rider in riders if rider.write.execution.id in told]
    ids = {rider.write.execution.id for rider in along}
    changes.told = [id for id in changes.told if id not in ids]
    return along


def without_riders(events: Iterable[AnyEvent], riders: Sequence[Rider]) -> list[AnyEvent]:
    """Events but for the ends of riders, which will tell of themselves."""
    ids = {rider.write.execution.id for rider in riders}
    return [event for event in events if not (isinstance(event, ChildEnded) and event.child in ids)]


def with_children(write: Write, riders: Iterable[Rider], born: Iterable[Write]) -> Write:
    """A step with the last steps of iterations that end in it, and the first ones of those that begin."""
    children = (*(rider.write for rider in riders), *born)
    return msgspec.structs.replace(write, children=children) if children else write
