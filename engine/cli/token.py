"""`tidegate token …`: what programs say instead of a user's password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.noted import note
from engine.cli.options import Config, Data, Json
from engine.cli.session import run_async, session
from engine.errors import Refused

if TYPE_CHECKING:
    from engine.store.rows import Token

DAY = 86_400_000

app = typer.Typer(
    help="API tokens: what programs say instead of a user's password (Authorization: Bearer TOKEN).",
    no_args_is_help=True,
    rich_markup_mode=None,
)

User = Annotated[str, typer.Argument(help="The user that the token stands for.")]


@app.command("add")
def add(
    user: User,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    lifetime: Annotated[
        str | None, typer.Option("--expires", help="How long it lives, as P30D, or `never`; P90D by default.")
    ] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a token. It is shown once, and can't be seen again."""

    async def work() -> None:
        from engine.cli import look
        from engine.settings import load_settings

        days = load_settings(config).server.auth.token_days
        async with session(data, config) as engine:
            token, secret = await engine.tokens.create(user, name, _lifetime(lifetime, days))
            await note(engine, "token add", f"{token.account}/{token.name}")
        if as_json:
            typer.echo(look.as_json({**_shown(token), "fullToken": secret}))
        else:
            typer.echo(secret)

    run_async(work)


@app.command("list")
def list_tokens(
    user: Annotated[str | None, typer.Argument(help="Only those of this user.")] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """List tokens, without their secrets."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.columns import Columns

        async with session(data, config) as engine:
            tokens = await engine.tokens.list(user)
        console = look.stdout()
        if as_json:
            console.print(look.as_json([_shown(token) for token in tokens]), markup=False)
        elif not tokens:
            console.print("No tokens.")
        else:
            table = Columns("", "user", "name", "created", "expires", "id")
            for token in tokens:
                expires = "never" if token.expires is None else look.moment(token.expires)
                table.add_row(token.account, look.brief(token.name), look.moment(token.created), expires, token.id)
            console.print(table)

    run_async(work)


@app.command("remove")
def remove(
    user: User,
    token: Annotated[str, typer.Argument(help="Its name or id.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Revoke a token."""

    async def work() -> None:
        async with session(data, config) as engine:
            revoked = await engine.tokens.revoke(user, token)
            await note(engine, "token remove", f"{revoked.account}/{revoked.name}")

    run_async(work)


def _lifetime(text: str | None, days: int) -> int | None:
    from engine.durations import parse_duration

    if text is None:
        return days * DAY or None
    if text == "never":
        return None
    try:
        milliseconds = parse_duration(text)
    except ValueError as error:
        raise Refused(f"--expires: {error}") from None
    if milliseconds <= 0:
        raise Refused(f"--expires: must be longer than nothing, but is '{text}'")
    return milliseconds


def _shown(token: Token) -> dict[str, Any]:
    from engine.clock import iso

    return {
        "id": token.id,
        "name": token.name,
        "username": token.account,
        "created": iso(token.created),
        "expires": None if token.expires is None else iso(token.expires),
    }
