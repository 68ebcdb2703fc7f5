"""Triggers as people name them, and how their states are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from engine.errors import NotFound

if TYPE_CHECKING:
    from engine.cli.port import TriggersPort
    from engine.state.trigger import Backfill, TriggerState, Window

Name = Annotated[str, typer.Argument(help="The trigger, as NAMESPACE.FLOW.ID.")]


class HasTriggers(Protocol):
    """An engine, or a client of one."""

    @property
    def triggers(self) -> TriggersPort: ...


async def find(target: HasTriggers, name: str) -> TriggerState:
    """A trigger by its name. Raises NotFound with those that may have been meant."""
    from engine.nearness import near_or_known

    known = {name_of(state): state for state in await target.triggers.list()}
    if name not in known:
        hint = near_or_known(name, known).removeprefix(", ")
        raise NotFound("trigger", name, hint or "`tidegate trigger list` shows those that exist")
    return known[name]


def name_of(state: TriggerState) -> str:
    return ".".join(state.key)


def word(state: TriggerState) -> str:
    """In one word how it is with a trigger."""
    if not state.active:
        return "disabled"
    if state.failures:
        return "failing"
    return "waiting" if state.execution is not None else "enabled"


def shown(state: TriggerState) -> dict[str, Any]:
    """A state for programs."""
    from engine.clock import iso

    moments = {
        "lastDate": state.date,
        "nextDate": state.next if state.active else None,
        "evaluated": state.evaluated,
        "fired": state.fired,
        "updated": state.updated,
    }
    return {
        "namespace": state.namespace,
        "flow": state.flow,
        "id": state.id,
        "type": state.type,
        "disabled": not state.active,
        **{name: None if at is None else iso(at) for name, at in moments.items()},
        "execution": state.execution,
        "backfill": None if state.backfill is None else _backfill(state.backfill),
        "windows": [_window(window) for window in state.windows],
        "failures": state.failures,
        "error": state.error,
    }


def _backfill(backfill: Backfill) -> dict[str, Any]:
    from engine.clock import iso

    dates = {"start": backfill.start, "end": backfill.end, "current": backfill.current}
    more = {"mode": backfill.mode, "paused": backfill.paused, "inputs": backfill.inputs, "labels": backfill.labels}
    return {**{name: iso(at) for name, at in dates.items()}, **more}


def _window(window: Window) -> dict[str, Any]:
    from engine.clock import iso

    happened = {key: {"execution": met.execution, "at": iso(met.at)} for key, met in window.met.items()}
    end = None if window.end is None else iso(window.end)
    return {"id": window.id, "start": iso(window.start), "end": end, "happened": happened}


def tell(state: TriggerState, as_json: bool) -> None:
    """Print a state."""
    from rich.markup import escape

    from engine.cli import look

    console = look.stdout()
    if as_json:
        console.print(look.as_json(shown(state)), markup=False)
        return
    console.print(f"{escape(name_of(state))}  {state.type.removeprefix('io.kestra.plugin.')}  {word(state)}")
    lines = {
        "next date": state.next if state.active else None,
        "last date": state.date,
        "looked at": state.evaluated,
        "started something": state.fired,
    }
    for label, at in lines.items():
        if at is not None:
            console.print(f"  {label}: {look.moment(at)}")
    if state.execution is not None:
        console.print(f"  waits for the execution {state.execution}")
    if state.backfill is not None:
        current, end = look.moment(state.backfill.current), look.moment(state.backfill.end)
        console.print(f"  backfill: {'paused at' if state.backfill.paused else 'at'} {current}, until {end}")
    for window in state.windows:
        console.print(f"  in the window {window.id}{f' until {look.moment(window.end)}' if window.end else ''}:")
        for key, met in window.met.items():
            console.print(f"    {escape(key)} by {met.execution} at {look.moment(met.at)}")
    if state.error is not None:
        console.print(f"  failed {state.failures} times, the last time: {escape(state.error)}")
