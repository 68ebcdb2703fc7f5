"""Who I am: the first user, signing in and out, and the tokens of whoever asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import web

from engine.api.access import COOKIE, Access, credential_errors, csrf_of
from engine.api.oidc_provider import Provider
from engine.api.peers import Peers
from engine.api.problems import Illegal, Unauthenticated
from engine.api.routing import BASE, JSON, USER, Call, Role, Route, encode
from engine.api.shapes import Page, Shape
from engine.api.tokens import NewToken, TokenShape, made_token, token_shape
from engine.errors import Conflict
from engine.runtime.accounts.tokens import BY_PROVIDER
from engine.runtime.engine import Engine
from engine.settings import Server as Options
from engine.state.user import EVERYWHERE, User

HOUR = 3_600_000


class Credentials(msgspec.Struct, frozen=True):
    username: str
    password: str


class NewPassword(msgspec.Struct, frozen=True, rename="camel"):
    """All sessions of the user end, also the one that asks."""

    old_password: str
    new_password: str


class MeShape(Shape, frozen=True):
    """Whoever asks. `roles`: names of roles by namespace. `csrfToken`: what a page sends as X-CSRF-TOKEN."""

    id: str
    username: str
    roles: dict[str, str]
    instance_owner: bool
    csrf_token: str | None = None


class Login:
    """The first user, sessions and tokens."""

    def __init__(
        self, engine: Engine, access: Access, peers: Peers, provider: Provider | None, options: Options
    ) -> None:
        self._engine = engine
        self._provider = provider
        self._peers = peers
        self._access = access
        self._options = options
        self._clock = engine.clock

    def routes(self) -> Iterable[Route]:
        yield Route(
            "POST",
            "/basicAuth",
            self.first,
            "Make the first user",
            body=Credentials,
            role=Role.NOBODY,
            status=204,
            audited=True,
        )
        yield self._here("GET", "/basicAuthValidationErrors", self.errors, "Why the user of the settings is none", list)
        yield self._here("GET", "/configs/login", self.ways, "How to sign in", dict)
        yield self._here("POST", "/login", self.login, "Sign in and open a session", MeShape, Credentials)
        yield self._here(
            "POST",
            "/logout",
            self.logout,
            "End the session; 200 with where to sign out too, else 204",
            dict,
            role=Role.VIEWER,
        )
        yield self._here("GET", "/me", self.me, "Who I am", MeShape, role=Role.VIEWER)
        yield self._here("PUT", "/me/password", self.password, "Set my password", body=NewPassword, role=Role.VIEWER)
        yield self._here("GET", "/me/api-tokens", self.tokens, "My API tokens", Page[TokenShape], role=Role.VIEWER)
        yield self._here(
            "POST", "/me/api-tokens", self.create, "Make an API token for me", TokenShape, NewToken, role=Role.VIEWER
        )
        yield self._here("DELETE", "/me/api-tokens/{id}", self.revoke, "Revoke a token of mine", role=Role.VIEWER)

    def _here(
        self,
        method: str,
        path: str,
        handler: Any,
        summary: str,
        answers: Any = None,
        body: Any = None,
        role: Role = Role.NOBODY,
    ) -> Route:
        return Route(
            method, path, handler, summary, answers, body=body, role=role, fronts=(BASE,), audited=method != "GET"
        )

    async def first(self, call: Call) -> None:
        if await self._access.has_users():
            raise Unauthenticated("there is a user already: sign in as an ADMIN, and make others with POST /users")
        given: Credentials = await call.json(Credentials)
        if errors := credential_errors(given.username, given.password):
            raise Illegal(" ".join(errors))
        try:
            await self._engine.users.add(given.username, given.password, {EVERYWHERE: Role.ADMIN}, first=True)
        except Conflict:
            raise Unauthenticated("somebody else made the first user meanwhile: sign in") from None

    async def errors(self, call: Call) -> list[str]:
        given = self._options.basic_auth
        return credential_errors(given.username, given.password) if given.username else []

    async def ways(self, call: Call) -> dict[str, Any]:
        return {
            "isBasicAuthInitialized": await self._access.has_users(),
            "isAuthenticationRequired": await self._access.asks(),
            "oidcLogin": f"{BASE}/oidc/login" if self._provider else None,
        }

    async def login(self, call: Call) -> web.Response:
        given: Credentials = await call.json(Credentials)
        user = await self._access.by_password(given.username, given.password, self._peers.address(call.request))
        call.request[USER] = user
        secret = await self._engine.tokens.open_session(user.name, int(self._options.auth.session_hours * HOUR))
        answer = web.Response(body=encode(_me(user, csrf_of(secret))), content_type=JSON)
        return sign_in(answer, secret, self._options, secure=self._peers.secure(call.request))

    async def logout(self, call: Call) -> web.Response:
        secret = call.request.cookies.get(COOKIE)
        token = await self._engine.tokens.find(secret) if secret else None
        if token is not None:
            await self._engine.tokens.end(token)
        leaving = None
        if self._provider is not None and token is not None and token.name == BY_PROVIDER:
            leaving = await self._provider.leaving(f"{self._peers.base(call.request)}/")
        answer = (
            web.Response(body=encode({"redirect": leaving}), content_type=JSON) if leaving else web.Response(status=204)
        )
        answer.del_cookie(COOKIE, path="/")
        return answer

    async def me(self, call: Call) -> MeShape:
        secret = call.request.cookies.get(COOKIE)
        return _me(call.user, csrf_of(secret) if secret and "Authorization" not in call.request.headers else None)

    async def password(self, call: Call) -> None:
        given: NewPassword = await call.json(NewPassword)
        # Whoever found a page open or a token must not lock its user out.
        await self._access.by_password(call.user.name, given.old_password, self._peers.address(call.request))
        await self._engine.users.set_password(call.user.name, given.new_password)

    async def tokens(self, call: Call) -> Page[TokenShape]:
        found = [token_shape(token) for token in await self._engine.tokens.list(call.user.name)]
        return Page(found, len(found))

    async def create(self, call: Call) -> TokenShape:
        new: NewToken = await call.json(NewToken)
        return await made_token(self._engine.tokens, call.user.name, new, self._options)

    async def revoke(self, call: Call) -> None:
        await self._engine.tokens.revoke(call.user.name, call.path["id"])


def sign_in(answer: web.Response, secret: str, options: Options, *, secure: bool) -> web.Response:
    """The answer with the cookie of a session."""
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=int(options.auth.session_hours * 3600),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=secure,
    )
    return answer


def _me(user: User, csrf: str | None) -> MeShape:
    roles = {namespace: Role(role).name for namespace, role in user.roles.items()}
    return MeShape(user.name, user.name, roles, user.role(EVERYWHERE) >= Role.ADMIN, csrf)
