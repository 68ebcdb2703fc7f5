"""`tidegate user …`: who may use the server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.noted import note
from engine.cli.options import Config, Data, Json
from engine.cli.session import run_async, session
from engine.errors import Refused

if TYPE_CHECKING:
    from engine.store.rows import Account

app = typer.Typer(
    help="Users of the server. It asks everybody who he is as soon as there is one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

User = Annotated[str, typer.Argument(help="The user's name, as an e-mail address; the same in upper and lower case.")]
RoleName = Annotated[str, typer.Argument(help="VIEWER, OPERATOR, EDITOR, ADMIN, or NOBODY to take it away.")]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="The role holds in this namespace and those below it, else in all.")
]


@app.command("add")
def add(
    user: User,
    role: Annotated[str, typer.Option("--role", help="VIEWER, OPERATOR, EDITOR or ADMIN.")] = "VIEWER",
    namespace: Namespace = "",
    no_password: Annotated[
        bool, typer.Option("--no-password", help="The user signs in elsewhere, or has tokens only.")
    ] = False,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a user; the first one is ADMIN of all. The password is asked for, or read from standard input."""
    held = _role(role)
    password = None if no_password else _password()

    async def work() -> None:
        from engine.cli import look

        async with session(data, config) as engine:
            account = await engine.users.add(user, password, {_valid(namespace): held})
            await note(engine, "user add", account.name, namespace)
        if as_json:
            typer.echo(look.as_json(_shown(account)))
        else:
            typer.echo(f"{account.name}: {_roles(account)}")

    run_async(work)


@app.command("list")
def list_users(as_json: Json = False, data: Data = None, config: Config = None) -> None:
    """List the users with their roles."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.columns import Columns

        async with session(data, config) as engine:
            accounts = await engine.users.list()
        console = look.stdout()
        if as_json:
            console.print(look.as_json([_shown(account) for account in accounts]), markup=False)
        elif not accounts:
            console.print("No users: the server asks nobody who he is. `tidegate user add NAME` makes the first one.")
        else:
            table = Columns("", "user", "roles", "password", "updated")
            for account in accounts:
                kept = "yes" if account.password else "no"
                table.add_row(account.name, _roles(account), kept, look.moment(account.updated))
            console.print(table)

    run_async(work)


@app.command("remove")
def remove(user: User, data: Data = None, config: Config = None) -> None:
    """Remove a user with his tokens and sessions."""

    async def work() -> None:
        async with session(data, config) as engine:
            await engine.users.remove(user)
            await note(engine, "user remove", user)

    run_async(work)


@app.command("password")
def password(user: User, data: Data = None, config: Config = None) -> None:
    """Set a password, which is asked for or read from standard input. It ends the user's sessions."""
    given = _password()

    async def work() -> None:
        async with session(data, config) as engine:
            await engine.users.set_password(user, given)
            await note(engine, "user password", user)

    run_async(work)


@app.command("role")
def role(
    user: User,
    role: RoleName,
    namespace: Namespace = "",
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Give a user a role in a namespace and those below it, or in all."""
    held = _role(role, nobody=True)

    async def work() -> None:
        from engine.cli import look

        async with session(data, config) as engine:
            account = await engine.users.set_roles(user, {_valid(namespace): held})
            await note(engine, "user role", account.name, namespace)
        if as_json:
            typer.echo(look.as_json(_shown(account)))
        else:
            typer.echo(f"{account.name}: {_roles(account)}")

    run_async(work)


def _valid(namespace: str) -> str:
    from engine.runtime.keeping.namespaces import valid

    return valid(namespace) if namespace else namespace


def _role(name: str, nobody: bool = False) -> int:
    from engine.state.user import Role

    known = [role.name for role in Role if role or nobody]
    if name.upper() not in known:
        raise Refused(f"'{name}' is not a role, these are: {', '.join(known)}")
    return int(Role[name.upper()])


def _roles(account: Account) -> str:
    from engine.state.user import Role

    held = [
        f"{Role(role).name} of {namespace or 'all namespaces'}" for namespace, role in sorted(account.roles.items())
    ]
    return ", ".join(held) or "no role"


def _shown(account: Account) -> dict[str, Any]:
    from engine.clock import iso
    from engine.state.user import Role

    return {
        "username": account.name,
        "roles": {namespace: Role(role).name for namespace, role in account.roles.items()},
        "created": iso(account.created),
        "updated": iso(account.updated),
        "hasPassword": bool(account.password),
    }


def _password() -> str:
    """A password, typed unseen or piped; the line's end is not part of it. An argument would show to others."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Refused("The password is not UTF-8 text") from None
