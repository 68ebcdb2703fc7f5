"""API tokens, and roles by their names, as JSON says them."""

from __future__ import annotations

import msgspec

from engine.api.problems import Illegal
from engine.api.shapes import Shape
from engine.clock import iso
from engine.durations import parse_duration
from engine.runtime.accounts.tokens import PREFIX, Tokens
from engine.runtime.keeping.namespaces import valid
from engine.settings import Server as Options
from engine.state.user import EVERYWHERE, Role
from engine.store.rows import Token

DAY = 86_400_000


class TokenShape(Shape, frozen=True):
    """An API token. `fullToken`, its secret, is only in the answer that makes it."""

    id: str
    name: str
    username: str
    prefix: str
    created: str
    expires: str | None = None
    full_token: str | None = None


class NewToken(msgspec.Struct, frozen=True, rename="camel"):
    """maxAge: how long it lives, as P30D; by default as the setting server.auth.token_days says"""

    name: str
    max_age: str | None = None


async def made_token(tokens: Tokens, user: str, new: NewToken, options: Options) -> TokenShape:
    """A new token with its secret. Raises Illegal for a lifetime that can't be, and what `Tokens.create` does."""
    lifetime = options.auth.token_days * DAY or None
    if new.max_age is not None:
        try:
            lifetime = parse_duration(new.max_age)
        except ValueError as error:
            raise Illegal(f"maxAge: {error}") from None
        if lifetime <= 0:
            raise Illegal("maxAge: must be longer than nothing")
    token, secret = await tokens.create(user, new.name, lifetime)
    return token_shape(token, secret)


def token_shape(token: Token, secret: str | None = None) -> TokenShape:
    return TokenShape(
        token.id,
        token.name,
        token.account,
        PREFIX,
        iso(token.created),
        None if token.expires is None else iso(token.expires),
        secret,
    )


def roles_of(named: dict[str, str]) -> dict[str, int]:
    """Roles by namespace from their names. Raises Illegal for what is no role, Refused for what is no namespace."""
    roles = {}
    for namespace, name in named.items():
        if name not in Role.__members__ or name == Role.NOBODY.name:
            raise Illegal(f"'{name}' is not a role: VIEWER, OPERATOR, EDITOR or ADMIN")
        roles[valid(namespace) if namespace else EVERYWHERE] = int(Role[name])
    return roles
