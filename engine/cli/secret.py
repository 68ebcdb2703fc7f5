"""`tidegate secret …`: secrets of the data folder, stored encrypted. No command shows a value."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from engine.cli.options import Config, Data, Json, Server
from engine.cli.session import run_async, session
from engine.cli.target import client
from engine.errors import NotFound, Refused

app = typer.Typer(
    help="Secrets that flows read as {{ secret('KEY') }}. Their values are stored encrypted and never shown.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Key = Annotated[str, typer.Argument(help="The key, the same in upper and lower case.")]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="For this namespace and those below it only, else for all.")
]


@app.command("init")
def init(data: Data = None, config: Config = None) -> None:
    """Make the key that encrypts secrets, where there is none yet."""

    async def work() -> None:
        from engine.settings import data_folder

        async with session(data, config) as engine:
            made = engine.vault.ensure()
        file = data_folder(data) / "key"
        typer.echo(f"{'The key was made' if made else 'There is a key already'}: {file}")
        typer.echo("Keep a copy of it in a safe place: what it encrypted can't be read without it.")

    run_async(work)


@app.command("set")
def set_secret(
    key: Key,
    namespace: Namespace = "",
    description: Annotated[str | None, typer.Option("--description", help="What it is for.")] = None,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Store a secret. The value is asked for, or read from standard input; arguments would show to others."""
    value = _value()

    async def work() -> None:
        from engine.runtime.keeping.namespaces import valid

        async with client(data, config, server) as target:
            await target.secrets.set(key, value, valid(namespace) if namespace else namespace, description)

    run_async(work)


@app.command("list")
def list_secrets(
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only those of this namespace.")] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """List the keys of secrets, those that the environment gives first."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.columns import Columns
        from engine.runtime.keeping.secrets import of_environment

        async with client(data, config, server) as target:
            stored = await target.secrets.list(namespace)
        given = of_environment() if namespace is None and target.here else []
        console = look.stdout()
        if as_json:
            found = [{"key": key, "source": "environment"} for key in given]
            found += [{"key": one.key, "source": "stored", "namespace": one.namespace} for one in stored]
            console.print(look.as_json(found), markup=False)
            return
        if not given and not stored:
            console.print("No secrets: `tidegate secret set KEY` stores one.")
            return
        table = Columns("", "key", "namespace", "description", "updated")
        for key in given:
            table.add_row(key, "(all)", f"of the environment: SECRET_{key}", "")
        for one in stored:
            table.add_row(
                one.key, one.namespace or "(all)", look.brief(one.description or ""), look.moment(one.updated)
            )
        console.print(table)

    run_async(work)


@app.command("delete")
def delete(
    key: Key, namespace: Namespace = "", data: Data = None, config: Config = None, server: Server = None
) -> None:
    """Delete a stored secret."""

    async def work() -> None:
        async with client(data, config, server) as target:
            if not await target.secrets.delete(key, namespace):
                raise NotFound(
                    "secret", key, "`tidegate secret list` shows those that are stored, with their namespaces"
                )

    run_async(work)


def _value() -> str:
    """The value, typed unseen or piped; the line's end is not part of it."""
    if sys.stdin.isatty():
        return str(typer.prompt("Value", hide_input=True, confirmation_prompt=True))
    try:
        return sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        raise Refused("The value is not UTF-8 text: encode it, as with base64, before it is stored") from None
