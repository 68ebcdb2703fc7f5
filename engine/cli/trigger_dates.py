"""`tidegate trigger backfill, unlock, dates, history`: what triggers make up for, will do and have done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.choice import pairs
from engine.cli.options import Config, Data, Json
from engine.cli.resolve import moment
from engine.cli.session import run_async, session
from engine.cli.trigger_names import Name, find, name_of, tell
from engine.errors import Refused

if TYPE_CHECKING:
    from engine.store.rows import Evaluation

MOST = 1000


def backfill(
    name: Name,
    start: Annotated[str | None, typer.Option("--start", help="The first moment to make up for.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="The last one; now by default.")] = None,
    mode: Annotated[
        str, typer.Option("--mode", help="ALL dates, those MISSING an execution, or those whose execution FAILED.")
    ] = "ALL",
    inputs: Annotated[list[str] | None, typer.Option("--input", "-i", help="An input: id=value (repeat).")] = None,
    labels: Annotated[list[str] | None, typer.Option("--label", help="A label: key=value (repeat).")] = None,
    pause: Annotated[bool, typer.Option("--pause", help="Let the one under way start nothing more.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Let it go on.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="End it; what it has started goes on.")] = False,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Start executions for dates of the past, one after another, while a server runs."""
    if sum((start is not None, pause, resume, cancel)) != 1:
        raise Refused("say --start MOMENT for a new backfill, or one of --pause, --resume, --cancel for that under way")
    given, wanted = pairs(inputs, "--input"), pairs(labels, "--label")
    begin, last = moment(start, "--start"), moment(end, "--end")

    async def work() -> None:
        async with session(data, config) as engine:
            found = await find(engine, name)
            if begin is not None:
                changed = await engine.backfills.create(
                    *found.key, start=begin, end=last, mode=mode.upper(), inputs=given, labels=wanted
                )
            elif cancel:
                changed = await engine.backfills.delete(*found.key)
            else:
                changed = await engine.backfills.pause(*found.key, pause)
            tell(changed, as_json)

    run_async(work)


def unlock(name: Name, as_json: Json = False, data: Data = None, config: Config = None) -> None:
    """Let a trigger no longer wait for the execution that it started."""

    async def work() -> None:
        async with session(data, config) as engine:
            found = await find(engine, name)
            tell(await engine.backfills.unlock(*found.key), as_json)

    run_async(work)


def dates(
    name: Name,
    count: Annotated[int, typer.Option("--count", min=1, max=MOST, help="How many.")] = 10,
    after: Annotated[str | None, typer.Option("--after", help="Those after this moment; now by default.")] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Show the next dates of a schedule; `*` marks those at which clocks are set. Conditions are not asked."""

    async def work() -> None:
        from engine.cli import look
        from engine.clock import local_zone, to_datetime

        async with session(data, config) as engine:
            found = await find(engine, name)
            plugin = (await engine.firing.load(*found.key)).definition.plugin
            calendar = None if plugin is None else plugin.calendar_in(local_zone())
            if calendar is None:
                raise Refused(f"'{name_of(found)}' has no dates, it is a {found.type.rpartition('.')[2]}")
            at: Any = to_datetime(moment(after, "--after") or engine.clock.now())
            shown: list[datetime] = []
            while len(shown) < count and (at := calendar.after(at)) is not None:
                shown.append(at)
        if as_json:
            typer.echo(look.as_json([date.isoformat() for date in shown]))
            return
        before = None
        for date in shown:
            mark = " *" if before is not None and before.utcoffset() != date.utcoffset() else ""
            typer.echo(f"{date.isoformat()}  {date.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}{mark}")
            before = date

    run_async(work)


def history(
    name: Name,
    count: Annotated[int, typer.Option("--count", min=1, max=MOST, help="How many.")] = 20,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Show what came of the last looks at a trigger: executions, and why there was none."""

    async def work() -> None:
        from rich.markup import escape

        from engine.cli import look
        from engine.cli.columns import Columns

        async with session(data, config) as engine:
            found = await find(engine, name)
            evaluations = await engine.store.logs.evaluations(*found.key, count)
        if as_json:
            typer.echo(look.as_json([_evaluation(it) for it in evaluations]))
            return
        if not evaluations:
            typer.echo("Nothing yet.")
            return
        table = Columns("", "at", "outcome", "date", "")
        for it in evaluations:
            date = "" if it.date is None else look.moment(it.date)
            table.add_row(look.moment(it.at), it.outcome, date, escape(it.execution or it.detail or ""))
        look.stdout().print(table)

    run_async(work)


def _evaluation(found: Evaluation) -> dict[str, Any]:
    from engine.clock import iso

    return {
        "at": iso(found.at),
        "tookMilliseconds": found.took,
        "outcome": found.outcome,
        "date": None if found.date is None else iso(found.date),
        "execution": found.execution,
        "detail": found.detail,
    }
