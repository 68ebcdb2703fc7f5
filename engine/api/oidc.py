"""Signing in by OpenID Connect: a browser goes to the provider, and comes back with a code for a session.

What must be the same when it comes back travels in a cookie that only this server can read: the state (nobody else
began this sign-in), the nonce (the token was made for it), the verifier of PKCE (who saw the code can't use it).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import web

from engine.api.login import HOUR, sign_in
from engine.api.oidc_identity import Identities
from engine.api.oidc_provider import Provider
from engine.api.peers import Peers
from engine.api.problems import Denied, Unauthenticated
from engine.api.routing import BASE, USER, Call, Role, Route
from engine.errors import Refused
from engine.ids import random_secret
from engine.runtime.accounts.tokens import BY_PROVIDER
from engine.runtime.engine import Engine
from engine.settings import Server as Options
from engine.state.user import User

COOKIE = "tidegate_oidc"
PATH = f"{BASE}/oidc"
MINUTES = 10


class Begun(msgspec.Struct, frozen=True):
    """A sign-in under way; `expires` in milliseconds, `next` a path of this server."""

    state: str
    nonce: str
    verifier: str
    redirect: str
    next: str
    expires: int


class BeginQuery(msgspec.Struct, frozen=True, rename="camel"):
    """next: the path of this server where the browser goes then"""

    next: str = "/"


class BackQuery(msgspec.Struct, frozen=True, rename="camel"):
    code: str = ""
    state: str = ""
    error: str = ""
    error_description: str = msgspec.field(default="", name="error_description")
    iss: str | None = None


class Oidc:
    """Begin to sign in at the provider, and come back from there."""

    def __init__(self, engine: Engine, provider: Provider, peers: Peers, options: Options) -> None:
        self._engine = engine
        self._provider = provider
        self._identities = Identities(options.oidc)
        self._peers = peers
        self._options = options
        self._clock = engine.clock

    def routes(self) -> Iterable[Route]:
        yield self._open("/oidc/login", self.begin, "Begin to sign in at the provider", BeginQuery)
        yield self._open("/oidc/callback", self.back, "Come back from the provider", BackQuery)

    def _open(self, path: str, handler: Any, summary: str, query: Any) -> Route:
        return Route(
            "GET",
            path,
            handler,
            summary,
            query=query,
            role=Role.NOBODY,
            status=302,
            fronts=(BASE,),
            anonymous=True,
            audited=path.endswith("callback"),
        )

    async def begin(self, call: Call) -> web.Response:
        begun = Begun(
            state=random_secret(),
            nonce=random_secret(),
            verifier=random_secret(),
            redirect=f"{self._peers.base(call.request)}{PATH}/callback",
            next=_own(call.query(BeginQuery).next),
            expires=self._clock.now() + MINUTES * 60_000,
        )
        challenge = urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        address = await self._provider.address(begun.redirect, begun.state, begun.nonce, challenge)
        answer = _moved(address)
        sealed = self._engine.vault.seal_json(msgspec.to_builtins(begun))["value"]
        answer.set_cookie(
            COOKIE,
            sealed,
            max_age=MINUTES * 60,
            path=PATH,
            httponly=True,
            samesite="Lax",
            secure=self._peers.secure(call.request),
        )
        return answer

    async def back(self, call: Call) -> web.Response:
        query = call.query(BackQuery)
        begun = self._begun(call, query.state)
        if query.error:
            raise Denied(f"the sign-in provider refused: {(query.error_description or query.error)[:200]}")
        if query.iss not in (None, self._options.oidc.issuer):
            raise Unauthenticated("the answer is not one of the sign-in provider that was asked: begin again")
        grant = await self._provider.exchange(query.code, begun.verifier, begun.redirect)
        claims = await self._provider.claims(grant.id_token, self._options.oidc.client_id, begun.nonce)
        if self._identities.gives_roles and not self._identities.has_groups(claims):
            more = await self._provider.user_info(grant.access_token)
            # Said of somebody else it must not be mixed in.
            claims = {**more, **claims} if more.get("sub") == claims.get("sub") else claims
        user = await self._user(claims)
        call.request[USER] = user
        answer = _moved(begun.next)
        answer.del_cookie(COOKIE, path=PATH)
        secret = await self._engine.tokens.open_session(
            user.name, int(self._options.auth.session_hours * HOUR), BY_PROVIDER
        )
        return sign_in(answer, secret, self._options, secure=self._peers.secure(call.request))

    async def _user(self, claims: dict[str, Any]) -> User:
        name = self._identities.name(claims)
        roles = self._identities.roles(claims) if self._identities.gives_roles else None
        try:
            account = await self._engine.users.signed_in(name, roles)
        except Refused as error:
            raise Denied(str(error)) from None
        if not account.roles:
            raise Denied(f"'{name}' has no role here: an ADMIN gives him one, or the groups of the setting server.oidc")
        return User(account.name, account.roles, BY_PROVIDER)

    def _begun(self, call: Call, state: str) -> Begun:
        sealed = call.request.cookies.get(COOKIE, "")
        try:
            begun = msgspec.convert(self._engine.vault.open(sealed, json=True), Begun) if sealed else None
        except (Refused, msgspec.MsgspecError):
            begun = None
        if (
            begun is None
            or begun.expires < self._clock.now()
            or not hmac.compare_digest(begun.state.encode(), state.encode(errors="replace"))
        ):
            raise Unauthenticated("this sign-in was not begun in this browser, or too long ago: begin again")
        return begun


def _moved(address: str) -> web.Response:
    return web.Response(status=302, headers={"Location": address})


def _own(next: str) -> str:
    """A path of this server, lest a link to the sign-in leads to somebody else's page."""
    own = next.startswith("/") and not next.startswith(("//", "/\\")) and next.isprintable()
    return next if own else "/"
