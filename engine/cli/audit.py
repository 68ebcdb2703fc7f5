"""`tidegate audit …`: who changed what."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import Config, Data, Json
from engine.cli.resolve import moment
from engine.cli.session import run_async, session

app = typer.Typer(
    help="Who changed what over the API, and users and tokens by commands.", no_args_is_help=True, rich_markup_mode=None
)
app.callback()(lambda: None)


@app.command("list")
def list_entries(
    user: Annotated[str | None, typer.Option("--user", help="Only what this user did.")] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Only in this namespace and those below it.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help="At this time or later.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most, the latest ones.")] = 50,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """List changes, newest first."""

    async def work() -> None:
        from engine.api.audit import audit_shape
        from engine.cli import look
        from engine.cli.columns import Columns
        from engine.store.rows import AuditFilter

        where = AuditFilter(
            user=user, below=namespace, since=moment(since, "--since"), until=moment(until, "--until"), limit=limit
        )
        async with session(data, config) as engine:
            entries = await engine.store.audit.list(where)
        console = look.stdout()
        if as_json:
            console.print(look.as_json([audit_shape(entry) for entry in entries]), markup=False)
        elif not entries:
            console.print("Nobody changed anything.")
        else:
            table = Columns("", "date", "user", "from", "what", "of", "status")
            for entry in entries:
                who = f"{entry.user or '?'} ({entry.token})" if entry.token else entry.user or "?"
                of = " ".join(part for part in (entry.namespace, entry.target) if part)
                what = f"{entry.method} {entry.resource}"
                table.add_row(
                    look.moment(entry.at),
                    look.brief(who),
                    entry.address,
                    look.brief(what),
                    look.brief(of),
                    str(entry.status),
                )
            console.print(table)

    run_async(work)
