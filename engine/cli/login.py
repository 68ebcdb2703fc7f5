"""`tidegate login URL`: know a server, and who one is there."""

from __future__ import annotations

import getpass
import platform
import sys
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from engine.cli.contexts import Context, checked, load, save
from engine.cli.session import run_async
from engine.errors import Refused


def login(
    url: Annotated[str, typer.Argument(help="The server, as https://tide.example.com.")],
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it; by default its host.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="The user there; else it is asked for.")] = None,
    with_token: Annotated[
        bool, typer.Option("--with-token", help="Read an API token from standard input; no password is asked for.")
    ] = False,
) -> None:
    """Let commands go to a server: makes an API token there, and keeps it in a file that only you can read.

    The password is asked for, or read from standard input. Commands go there until `tidegate context use` says
    otherwise.
    """
    server = checked(url)

    async def work() -> Context:
        if with_token:
            return await _known(Context(server, sys.stdin.readline().strip()))
        if await _open(server):
            return Context(server)
        return await _with_password(server, user or typer.prompt("User"))

    found = run_async(work)
    kept = name or urlsplit(server).netloc
    contexts = load()
    contexts.contexts[kept] = found
    save(type(contexts)(contexts.contexts, kept))
    who = f"as {found.user}" if found.user else "which asks nobody who he is"
    typer.echo(f"Commands go to {server}, {who}; `tidegate context use local` lets them work here again")


async def _open(server: str) -> bool:
    """Whether a server asks nobody who he is. Raises Unavailable."""
    from engine.cli.http import connected

    async with connected(Context(server)) as http:
        try:
            await http.ask("GET", "/me", dict[str, Any])
        except Refused:
            return False
    return True


async def _known(context: Context) -> Context:
    """The same context, with the user that its token stands for. Raises Refused for a wrong one."""
    from engine.cli.http import connected

    async with connected(context) as http:
        me = await http.ask("GET", "/me", dict[str, Any])
    return Context(context.server, context.token, str(me["username"]))


async def _with_password(server: str, user: str) -> Context:
    """A new API token of a user. Raises Refused."""
    import aiohttp

    from engine.cli.http import connected
    from engine.ids import random_id

    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    body = {"name": f"tidegate on {platform.node() or 'a machine'} ({random_id()[:6]})"}
    async with connected(Context(server)) as http:
        headers = {"Authorization": aiohttp.encode_basic_auth(user, password)}
        made = await http.ask("POST", "/me/api-tokens", dict[str, Any], json=body, headers=headers)
    return Context(server, str(made["fullToken"]), str(made["username"]))
