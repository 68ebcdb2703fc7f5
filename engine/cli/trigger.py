"""`tidegate trigger …`: what starts executions, whether it is on, and when it does so next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.options import Config, Data, Json
from engine.cli.session import run_async, session
from engine.errors import NotFound, Refused

if TYPE_CHECKING:
    from engine.runtime.engine import Engine
    from engine.state.trigger import TriggerState

app = typer.Typer(
    help="Triggers: list them, look at them, switch them on and off.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(help="The trigger, as NAMESPACE.FLOW.ID.")]
RECOVER = ("NONE", "LAST", "ALL")


@app.command("list")
def list_triggers(
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this namespace.")] = None,
    flow: Annotated[str | None, typer.Option("--flow", help="Only flows of this id.")] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """List triggers."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.columns import Columns

        async with session(data, config) as engine:
            found = await engine.triggers.list(namespace, flow)
        if as_json:
            typer.echo(look.as_json([shown(state) for state in found]))
            return
        if not found:
            typer.echo("No triggers.")
            return
        table = Columns("", "trigger", "type", "state", "next")
        for state in found:
            next = look.moment(state.next) if state.active and state.next is not None else ""
            table.add_row(name_of(state), state.type.removeprefix("io.kestra.plugin."), word(state), next)
        look.stdout().print(table)

    run_async(work)


@app.command("show")
def show(name: Name, as_json: Json = False, data: Data = None, config: Config = None) -> None:
    """Show what is known of a trigger."""

    async def work() -> None:
        async with session(data, config) as engine:
            tell(await find(engine, name), as_json)

    run_async(work)


@app.command("disable")
def disable(name: Name, as_json: Json = False, data: Data = None, config: Config = None) -> None:
    """Switch a trigger off, whatever its flow says, until it is enabled again."""

    async def work() -> None:
        async with session(data, config) as engine:
            found = await find(engine, name)
            tell(await engine.triggers.set_disabled(*found.key, True), as_json)

    run_async(work)


@app.command("enable")
def enable(
    name: Name,
    recover: Annotated[
        str, typer.Option("--recover", help="What becomes of dates that it missed: NONE, LAST or ALL.")
    ] = "NONE",
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Switch a trigger on again."""
    if recover.upper() not in RECOVER:
        raise Refused(f"--recover is one of {', '.join(RECOVER)}, not '{recover}'")

    async def work() -> None:
        async with session(data, config) as engine:
            found = await find(engine, name)
            if found.off:
                raise Refused(f"The trigger '{name}' is switched off in its flow: remove `disabled: true` there")
            tell(await engine.triggers.set_disabled(*found.key, False, recover.upper()), as_json)

    run_async(work)


async def find(engine: Engine, name: str) -> TriggerState:
    """A trigger by its name. Raises NotFound with those that may have been meant."""
    from engine.nearness import near_or_known

    known = {name_of(state): state for state in await engine.triggers.list()}
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
        "failures": state.failures,
        "error": state.error,
    }


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
    if state.error is not None:
        console.print(f"  failed {state.failures} times, the last time: {escape(state.error)}")
