"""SLAs: how long an execution may take, and what must hold whenever it has changed.

Only the first SLA that ends the execution does so; labels are added by each, once.
"""

from __future__ import annotations

from typing import Final

from engine.durations import duration_text
from engine.executor.kill import request
from engine.executor.plan import Sla
from engine.executor.work import Work
from engine.state.command import Evaluate, Say, WakeAt
from engine.state.event import AnyEvent, Evaluated
from engine.state.status import Status

ASK: Final = "sla"
TIMER: Final = "sla:"


def set_deadlines(work: Work, since: int) -> None:
    """Let every SLA on the duration be looked at when its time is over."""
    for place, sla in enumerate(work.plan.slas):
        if sla.duration is not None:
            work.commands.append(WakeAt("", f"{TIMER}{place}", since + sla.duration))


def time_is_up(work: Work, kind: str) -> None:
    """The execution should have ended by now."""
    place = int(kind.removeprefix(TIMER))
    if work.state.terminal or place >= len(work.plan.slas):
        return
    sla = work.plan.slas[place]
    since = work.get("scheduled") or work.get("created")
    took, most = duration_text(work.at - since), duration_text(sla.duration or 0)
    _violated(work, sla, f"execution duration of {took} exceed the maximum duration of {most}.")


def ask(work: Work, event: AnyEvent) -> None:
    """Have the assertions looked at if the event has changed something; their own answer doesn't count."""
    answers = isinstance(event, Evaluated) and not event.path and event.ask == ASK
    if answers or not work.touched or work.state.terminal or work.stopping is not None or work.block("") is None:
        return
    if any(sla.assertion is not None for sla in work.plan.slas):
        work.commands.append(Evaluate("", ASK))


def judged(work: Work, held: list[bool | None] | None) -> None:
    """Whether each assertion holds; None where nobody can tell yet."""
    for sla, holds in zip(work.plan.slas, held or (), strict=False):
        if holds is False and not work.state.terminal:
            _violated(work, sla, f"assertion is false: {sla.assertion}.")


def _violated(work: Work, sla: Sla, reason: str) -> None:
    held = {label.key: label for label in work.get("labels")}
    added = {label.key: label for label in sla.labels}
    if any(held.get(key) != label for key, label in added.items()):
        work.put(labels=tuple((held | added).values()))
    if sla.end is None or work.stopping is not None:
        return
    failed = sla.end is Status.FAILED
    text = f"Execution {'failed' if failed else 'cancelled'} due to SLA '{sla.id}' violated: {reason}"
    work.commands.append(Say("ERROR" if failed else "WARN", text))
    work.put(violated=sla.id, error=text if failed else work.get("error"))
    request(work, sla.end, attempts=sla.end, cascade=False)
