"""Decides when all has happened that a trigger waits for together. Pure: no clock, no store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from engine.ids import ExecutionId
from engine.state.trigger import Met, Window
from triggers.frames import Frame


class Rule(NamedTuple):
    """What is waited for together.

    id: of its window
    keys: of what is waited for; needed: how many of them
    resets: everything is waited for anew after it all happened; else each further one of them in the window counts
    """

    id: str
    keys: Sequence[str]
    needed: int
    frame: Frame
    resets: bool


class Decision(NamedTuple):
    """What becomes of an event.

    fires: something is started
    windows: those that go on
    met: who did what was waited for, the last one last
    """

    fires: bool
    windows: tuple[Window, ...]
    met: Sequence[ExecutionId] = ()


def decide(
    rules: Sequence[Rule],
    windows: Sequence[Window],
    matched: Mapping[str, Collection[str]],
    execution: ExecutionId,
    at: int,
) -> Decision:
    """Take in what an execution did at a moment.

    windows: those before; what is over of them, or belongs to no rule any more, goes
    matched: by id of a rule, the keys of what the execution does of it
    """
    if not rules:
        return Decision(True, (), [execution])
    before = {window.id: window for window in windows}
    after = {rule.id: _take_in(rule, before.get(rule.id), matched[rule.id], execution, at) for rule in rules}
    met = {rule.id: _met(rule, after[rule.id]) for rule in rules}
    happened = any(matched[rule.id] and after[rule.id] is not None for rule in rules)
    fires = happened and all(len(met[rule.id]) >= rule.needed for rule in rules)
    gone = {rule.id for rule in rules if fires and rule.resets}
    kept = tuple(window for id, window in after.items() if window is not None and window.met and id not in gone)
    by = sorted((it for found in met.values() for it in found.values()), key=lambda it: it.at)
    others = dict.fromkeys(it.execution for it in by if it.execution != execution)
    return Decision(fires, kept, [*others, execution] if fires else ())


def _take_in(
    rule: Rule, window: Window | None, matched: Collection[str], execution: ExecutionId, at: int
) -> Window | None:
    """The window of a rule after an event, None where there is none."""
    if window is not None:
        # Executions of several processes may be told of in another order than they happened in.
        at = max(at, window.start)
        if window.end is not None and window.end <= at:
            window = None
    if window is not None and rule.frame.lookback is not None:
        kept = {key: met for key, met in window.met.items() if met.at > at - rule.frame.lookback}
        window = replace(window, met=kept)
    if not matched:
        return window
    if window is None:
        span = rule.frame.at(at)
        if span is None:
            return None
        window = Window(rule.id, span.start, span.end)
    return replace(window, met={**window.met, **{key: Met(execution, at) for key in matched}})


def _met(rule: Rule, window: Window | None) -> Mapping[str, Met]:
    return {} if window is None else {key: met for key, met in window.met.items() if key in rule.keys}
