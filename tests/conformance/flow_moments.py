"""What would become of an execution that waits for somebody, and moments that are told from its pause."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from conformance.flow_cases import Unbound
from conformance.flow_matching import difference
from engine.clock import to_millis
from engine.durations import parse_duration
from engine.executor import pause
from engine.executor.advance import advance, apply
from engine.executor.plan import Plan
from engine.state.event import Due
from engine.state.execution import TaskRun
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import Timer

AFTER_PAUSE = re.compile(r"paused at \+ ([\d.]+) (s|min)(?: \(± ([\d.]+) s\)| \((or later)\))")
SCHEDULED = {"the same task run": False, "a new execution": True}
"""What may be due: whether it is the execution as a whole."""
UNITS = {"s": 1000, "min": 60_000}


def state_when_due(plan: Plan, record: Record) -> Status | None:
    """What becomes of the paused task run if nobody comes; None where nothing waits for that."""
    run = next((run for run in record.runs.values() if run.state is Status.PAUSED and run.due is not None), None)
    if run is None or run.due is None:
        return None
    after = Record(record.execution, dict(record.runs), dict(record.answers))
    apply(after, advance(plan, after, Due(at=run.due, path=run.path, kind=pause.TIMER)))
    return after.runs[run.path].state


def after_pause(runs: list[TaskRun], due: Any, words: str) -> str:
    """Whether a moment lies as long after the pause as the words say; empty when it does."""
    said = AFTER_PAUSE.fullmatch(words)
    assert said is not None
    paused = max(change.at for run in runs for change in run.history if change.state is Status.PAUSED)
    wanted = paused + int(float(said[1]) * UNITS[said[2]])
    found = due if isinstance(due, int) else to_millis(datetime.fromisoformat(str(due)))
    late = found >= wanted if said[4] else abs(found - wanted) <= float(said[3]) * 1000
    return "" if late else f"is {found}, not {words} ({wanted})"


def moments(runs: list[TaskRun], outputs: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """What is left of wanted outputs beside moments after the pause, and what is wrong with these."""
    rest = {key: item for key, item in wanted.items() if not (isinstance(item, str) and AFTER_PAUSE.fullmatch(item))}
    problems = [after_pause(runs, outputs.get(key), wanted[key]) for key in wanted if key not in rest]
    return rest, "; ".join(filter(None, problems))


def scheduled(record: Record, plan: Plan | None, timers: Sequence[Timer], wanted: Any) -> str:
    """`null`, or a map whose `at` is "T + DURATION" or "not before T"; T is when the last attempt ended.

    With a `target_state` it is what is due for a Pause: when, and which state it then enters.
    """
    runs = list(record.runs.values())
    if wanted is None:
        return difference(list(timers), [], {})
    if "target_state" in wanted:
        assert plan is not None
        later = state_when_due(plan, record)
        problem = difference(later and later.value, wanted["target_state"], {})
        return problem or ("at" in wanted and after_pause(runs, timers[0].due, wanted["at"])) or ""
    if wanted.keys() != {"what", "at"} or wanted["what"] not in SCHEDULED:
        raise Unbound(f"nothing checks that {wanted} is scheduled")
    ended = max(run.attempts[-1].history[-1].at for run in runs if run.attempts)
    waited = re.fullmatch(r"T \+ (\S+)", wanted["at"])
    due = ended + (parse_duration(waited[1]) if waited else 0)
    if waited is None and wanted["at"] != "not before T":
        raise Unbound(f"nothing checks that something is scheduled at {wanted['at']}")
    of_execution = SCHEDULED[wanted["what"]]
    dues = [timer.due for timer in timers if of_execution is (timer.path == "")]
    if not dues:
        return f"is {timers}, not {wanted}"
    return "" if (dues[0] == due if waited else dues[0] >= due) else f"is {dues[0]}, but should {due}"
