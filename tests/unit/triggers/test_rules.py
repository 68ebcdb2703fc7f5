"""When all has happened that a Flow trigger waits for, against a naive oracle that looks at everything again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.ids import ExecutionId
from engine.state.trigger import Met, Window
from plugins.core.condition import TimeWindow
from triggers.frames import Aligned, Daily, Frame, Lookback, Sliding
from triggers.rules import Rule, decide

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_772_582_400_000  # A midnight.
KEYS = ("a", "b", "c")
EVENING = TimeWindow.model_validate({"type": "DAILY_TIME_WINDOW", "startTime": "18:00", "endTime": "20:00"})


class Event(NamedTuple):
    at: int
    keys: frozenset[str]


FRAMES: Sequence[Frame] = (
    Aligned(HOUR, 0, UTC),
    Aligned(DAY, -4 * HOUR, UTC),
    Aligned(15 * MINUTE, 5 * MINUTE, UTC),
    Daily(EVENING.start_time, EVENING.end_time, UTC),  # type: ignore[arg-type]
    Daily(EVENING.end_time, EVENING.start_time, UTC),  # type: ignore[arg-type]
    Sliding(2 * HOUR),
    Lookback(90 * MINUTE),
)


def rule(frame: Frame = FRAMES[0], needed: int = 2, *, resets: bool = True, keys: Sequence[str] = KEYS[:2]) -> Rule:
    return Rule("rule", keys, needed, frame, resets)


def fired(rules: Sequence[Rule], events: Sequence[Event]) -> list[int]:
    """Numbers of the events at which something is started."""
    windows: tuple[Window, ...] = ()
    found = []
    for number, event in enumerate(events):
        matched = {it.id: [key for key in it.keys if key in event.keys] for it in rules}
        decision = decide(rules, windows, matched, ExecutionId(str(number)), event.at)
        windows = decision.windows
        if decision.fires:
            found.append(number)
            assert decision.met[-1] == str(number)
    return found


def oracle(rule: Rule, events: Sequence[Event]) -> list[int]:
    """The same by looking back over all events since the last start, each time."""
    found: list[int] = []
    for number, event in enumerate(events):
        if not event.keys & set(rule.keys):
            continue
        since = found[-1] + 1 if found and rule.resets else 0
        counted = [it for it in events[since : number + 1] if it.keys & set(rule.keys)]
        seen = {key for it in _in_one_window(rule.frame, counted) for key in it.keys if key in rule.keys}
        if len(seen) >= rule.needed:
            found.append(number)
    return found


def _in_one_window(frame: Frame, events: Sequence[Event]) -> list[Event]:
    """Those that are in the same window as the last one."""
    last = events[-1]
    if isinstance(frame, Lookback):
        return [it for it in events if it.at > last.at - frame.lookback]
    if not isinstance(frame, Sliding):
        window = frame.at(last.at)
        return [it for it in events if window is not None and frame.at(it.at) == window]
    begin = events[0]
    for event in events:
        if event.at >= begin.at + frame.length:
            begin = event
    return [it for it in events if it.at >= begin.at]


events = st.lists(st.tuples(st.integers(0, 3 * HOUR), st.frozensets(st.sampled_from(KEYS))), max_size=25).map(
    lambda steps: [
        Event(START + 16 * HOUR + sum(gap for gap, _ in steps[: n + 1]), it[1]) for n, it in enumerate(steps)
    ]
)


@settings(max_examples=400, deadline=None)
@example(FRAMES[0], 2, True, [Event(START, frozenset("a")), Event(START + HOUR, frozenset("b"))])
@given(st.sampled_from(FRAMES), st.integers(1, 3), st.booleans(), events)
def test_it_fires_as_an_oracle_says(frame: Frame, needed: int, resets: bool, events: list[Event]) -> None:
    waited = rule(frame, needed, resets=resets, keys=KEYS[: max(needed, 2)])
    assert fired([waited], events) == oracle(waited, events)


def at(minutes: int, *keys: str) -> Event:
    return Event(START + minutes * MINUTE, frozenset(keys))


def test_it_waits_anew_after_it_fired() -> None:
    events = [at(1, "a"), at(2, "b"), at(3, "b"), at(4, "a"), at(5, "a")]
    assert fired([rule()], events) == [1, 3]


def test_each_further_one_counts_where_nothing_is_reset() -> None:
    events = [at(1, "a"), at(2, "b"), at(3, "b"), at(4, "c"), at(5, "a"), at(61, "a")]
    assert fired([rule(resets=False)], events) == [1, 2, 4]


def test_several_rules_must_hold_together() -> None:
    rules = [rule(), Rule("other", ("c",), 1, Aligned(DAY, 0, UTC), True)]
    assert fired(rules, [at(1, "a"), at(2, "b"), at(3, "c"), at(4, "c")]) == [2]


def test_without_rules_each_event_fires() -> None:
    assert fired([], [at(1), at(1)]) == [0, 1]


def test_what_is_over_goes_and_what_is_late_counts_for_the_window_that_is_open() -> None:
    first = decide([rule()], (), {"rule": ["a"]}, ExecutionId("1"), START + MINUTE)
    assert [it.met.keys() for it in first.windows] == [{"a"}]
    over = decide([rule()], first.windows, {"rule": []}, ExecutionId("2"), START + HOUR)
    assert over.windows == ()
    late = decide([rule()], first.windows, {"rule": ["b"]}, ExecutionId("3"), START - 1)
    assert (late.fires, late.met) == (True, ["1", "3"])


def test_what_nobody_waits_for_any_more_goes() -> None:
    met = {"a": Met(ExecutionId("0"), START), "gone": Met(ExecutionId("0"), START)}
    windows = [Window("gone", START, START + HOUR, met), Window("rule", START, START + HOUR, met)]
    decision = decide([rule(needed=3, keys=KEYS)], windows, {"rule": ["b"]}, ExecutionId("1"), START)
    assert [(it.id, *sorted(it.met)) for it in decision.windows] == [("rule", "a", "b", "gone")]
    assert decide([rule()], windows, {"rule": ["b"]}, ExecutionId("1"), START).fires
    assert not decide([rule(needed=3, keys=KEYS)], windows, {"rule": ["b"]}, ExecutionId("1"), START).fires
