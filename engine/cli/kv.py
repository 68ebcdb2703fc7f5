"""`tidegate kv …`: keys of namespaces and their values."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.options import Config, Data, Json, Server
from engine.cli.session import run_async
from engine.cli.target import client
from engine.errors import NotFound, Refused

if TYPE_CHECKING:
    from engine.store.rows import Entry

app = typer.Typer(help="Keys of namespaces and their values.", no_args_is_help=True, rich_markup_mode=None)

Namespace = Annotated[str, typer.Argument(help="Namespace of the key.")]
Key = Annotated[str, typer.Argument(help="The key.")]


@app.command("get")
def get(
    namespace: Namespace,
    key: Key,
    revision: Annotated[int | None, typer.Option("--revision", help="An earlier value, by its number.")] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Print a value; one that holds a secret shows as stars."""

    async def work() -> None:
        from engine.cli import look
        from engine.runtime.keeping.keys import stored

        async with client(data, config, server) as target:
            found = await target.keys.revisions(namespace, key)
        if not found:
            raise NotFound("key", key, f"`tidegate kv list {namespace}` shows those of the namespace")
        entry = next((it for it in found if revision in (None, it.revision)), None)
        if entry is None:
            raise NotFound("revision", str(revision), f"`tidegate kv revisions {namespace} {key}` shows those kept")
        value = stored(entry)
        if as_json:
            typer.echo(look.as_json(_shown(entry)))
        else:
            typer.echo(value if isinstance(value, str) else look.as_json(value))

    run_async(work)


@app.command("set")
def set_value(
    namespace: Namespace,
    key: Key,
    value: Annotated[str | None, typer.Argument(help="The value: JSON, a date, a moment, or any text.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Read the value from this file.", exists=True, dir_okay=False)
    ] = None,
    type: Annotated[
        str | None, typer.Option("--type", help="STRING, NUMBER, BOOLEAN, DATETIME, DATE, DURATION or JSON.")
    ] = None,
    ttl: Annotated[str | None, typer.Option("--ttl", help="How long it lives, as PT1H or P7D.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is about.")] = None,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Store a value under a key, replacing what was there."""
    text = _text(value, file)

    async def work() -> None:
        from engine.runtime.keeping.keys import guessed
        from engine.runtime.keeping.namespaces import valid

        kind, found = (type.upper(), text) if type is not None else guessed(text)
        async with client(data, config, server) as target:
            await target.keys.set(valid(namespace), key, found, type=kind, ttl=_lifetime(ttl), description=description)

    run_async(work)


@app.command("list")
def list_keys(
    namespace: Annotated[str | None, typer.Argument(help="Only this namespace.")] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="Only keys that begin so.")] = "",
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """List keys with their values."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.columns import Columns
        from engine.runtime.keeping.keys import stored

        async with client(data, config, server) as target:
            entries = await target.keys.list(namespace, prefix)
        console = look.stdout()
        if as_json:
            console.print(look.as_json([_shown(entry) for entry in entries]), markup=False)
            return
        if not entries:
            console.print("No keys.")
            return
        table = Columns("", "namespace", "key", "type", "value", "updated", "expires")
        for entry in entries:
            expires = "" if entry.expires is None else look.moment(entry.expires)
            value = look.brief(stored(entry))
            table.add_row(entry.namespace, entry.key, entry.type, value, look.moment(entry.updated), expires)
        console.print(table)

    run_async(work)


@app.command("revisions")
def revisions(
    namespace: Namespace,
    key: Key,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """List the values that a key has and had."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.columns import Columns
        from engine.runtime.keeping.keys import stored

        async with client(data, config, server) as target:
            entries = await target.keys.revisions(namespace, key)
        if not entries:
            raise NotFound("key", key, f"`tidegate kv list {namespace}` shows those of the namespace")
        console = look.stdout()
        if as_json:
            console.print(look.as_json([_shown(entry) for entry in entries]), markup=False)
            return
        table = Columns("", "revision", "type", "value", "stored", "description")
        for entry in entries:
            value, at = look.brief(stored(entry)), look.moment(entry.updated)
            table.add_row(str(entry.revision), entry.type, value, at, entry.description or "")
        console.print(table)

    run_async(work)


@app.command("delete")
def delete(namespace: Namespace, key: Key, data: Data = None, config: Config = None, server: Server = None) -> None:
    """Delete a key."""

    async def work() -> None:
        async with client(data, config, server) as target:
            if not await target.keys.delete(namespace, key):
                raise NotFound("key", key, f"`tidegate kv list {namespace}` shows those of the namespace")

    run_async(work)


def _shown(entry: Entry) -> dict[str, Any]:
    from engine.clock import iso
    from engine.runtime.keeping.keys import stored

    return {
        "namespace": entry.namespace,
        "key": entry.key,
        "type": entry.type,
        "value": stored(entry),
        "description": entry.description,
        "revision": entry.revision,
        "creationDate": iso(entry.created),
        "updateDate": iso(entry.updated),
        "expirationDate": None if entry.expires is None else iso(entry.expires),
    }


def _text(value: str | None, file: Path | None) -> str:
    if (value is None) == (file is None):
        raise typer.BadParameter("give the value itself or --file, and `-` to read it from standard input")
    try:
        if file is not None:
            return file.read_text(encoding="utf-8")
        return sys.stdin.read() if value == "-" else str(value)
    except UnicodeDecodeError:
        raise Refused("The value is not UTF-8 text: a key holds text or JSON, files belong to the namespace") from None


def _lifetime(ttl: str | None) -> int | None:
    from engine.durations import parse_duration

    if ttl is None:
        return None
    try:
        milliseconds = parse_duration(ttl)
    except ValueError as error:
        raise Refused(f"--ttl: {error}") from None
    if milliseconds <= 0:
        raise Refused(f"--ttl: must be longer than nothing, but is '{ttl}'")
    return milliseconds
