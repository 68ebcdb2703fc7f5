"""Users of the server, for those who administrate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from engine.api.routing import BASE, Call, Role, Route
from engine.api.shapes import Shape
from engine.api.tokens import NewToken, TokenShape, made_token, roles_of, token_shape
from engine.clock import iso
from engine.errors import Refused
from engine.runtime.engine import Engine
from engine.settings import Server as Options
from engine.state.user import EVERYWHERE
from engine.store.rows import Account


class UserShape(Shape, frozen=True, omit_defaults=False):
    """A user. `roles`: names of roles by namespace, the empty one stands for all."""

    username: str
    roles: dict[str, str]
    created: str
    updated: str
    has_password: bool


class NewUser(msgspec.Struct, frozen=True, rename="camel"):
    """password: none for a user who signs in elsewhere; roles: names of roles by namespace"""

    username: str
    password: str | None = None
    roles: dict[str, str] = {}


class NewPassword(msgspec.Struct, frozen=True, rename="camel"):
    password: str


class Users:
    """Make users, give them roles and tokens, remove them."""

    def __init__(self, engine: Engine, options: Options) -> None:
        self._users = engine.users
        self._tokens = engine.tokens
        self._options = options

    def routes(self) -> Iterable[Route]:
        yield self._route("GET", "/users", self.all, "Users", list[UserShape])
        yield self._route("POST", "/users", self.add, "Make a user", UserShape, NewUser)
        yield self._route("GET", "/users/{user}", self.one, "A user", UserShape)
        yield self._route("DELETE", "/users/{user}", self.remove, "Remove a user with his tokens")
        yield self._route("PUT", "/users/{user}/password", self.password, "Set a password", body=NewPassword)
        yield self._route(
            "PUT", "/users/{user}/roles", self.roles, "Replace the roles of a user", UserShape, dict[str, str]
        )

        tokens = "/users/{user}/api-tokens"
        yield self._route("GET", tokens, self.tokens, "API tokens of a user", list[TokenShape])
        yield self._route("POST", tokens, self.add_token, "Make an API token for a user", TokenShape, NewToken)
        yield self._route("DELETE", f"{tokens}/{{id}}", self.revoke, "Revoke a token of a user, by its id or its name")

    def _route(
        self, method: str, path: str, handler: Any, summary: str, answers: Any = None, body: Any = None
    ) -> Route:
        return Route(method, path, _everywhere(handler), summary, answers, body=body, role=Role.ADMIN, fronts=(BASE,))

    async def all(self, call: Call) -> list[UserShape]:
        return [user_shape(account) for account in await self._users.list()]

    async def add(self, call: Call) -> UserShape:
        new: NewUser = await call.json(NewUser)
        call.about("", new.username)
        return user_shape(await self._users.add(new.username, new.password, roles_of(new.roles)))

    async def one(self, call: Call) -> UserShape:
        return user_shape(await self._users.get(call.path["user"]))

    async def remove(self, call: Call) -> None:
        if call.path["user"].lower() == call.user.name:
            raise Refused("Nobody removes himself: ask another ADMIN, or use `tidegate user remove`")
        await self._users.remove(call.path["user"])

    async def password(self, call: Call) -> None:
        new: NewPassword = await call.json(NewPassword)
        await self._users.set_password(call.path["user"], new.password)

    async def roles(self, call: Call) -> UserShape:
        roles = roles_of(await call.json(dict[str, str]))
        return user_shape(await self._users.set_roles(call.path["user"], roles, whole=True))

    async def tokens(self, call: Call) -> list[TokenShape]:
        account = await self._users.get(call.path["user"])
        return [token_shape(token) for token in await self._tokens.list(account.name)]

    async def add_token(self, call: Call) -> TokenShape:
        new: NewToken = await call.json(NewToken)
        return await made_token(self._tokens, call.path["user"], new, self._options)

    async def revoke(self, call: Call) -> None:
        await self._tokens.revoke(call.path["user"], call.path["id"])


def _everywhere(handler: Any) -> Any:
    """Users are of no namespace: who changes them must be an ADMIN of all."""

    async def checked(call: Call) -> Any:
        call.require(Role.ADMIN, EVERYWHERE)
        return await handler(call)

    return checked


def user_shape(account: Account) -> UserShape:
    return UserShape(
        account.name,
        {namespace: Role(role).name for namespace, role in account.roles.items()},
        iso(account.created),
        iso(account.updated),
        bool(account.password),
    )
