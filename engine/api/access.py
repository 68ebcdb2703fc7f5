"""Who asks: the user behind a password, a token or a session.

Each request says it anew. What the store said is remembered for a moment, and that a password was right as long as it
is the user's, for to compare it takes a fifth of a second.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from base64 import b64decode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import anyio
from aiohttp import web

from engine.api.limits import Limits
from engine.api.oidc_identity import Identities
from engine.api.oidc_provider import Provider
from engine.api.peers import Peers
from engine.api.problems import Denied, TooMany, Unauthenticated
from engine.api.routing import USER, route_of
from engine.clock import monotonic
from engine.errors import Conflict
from engine.ids import random_salt
from engine.runtime.accounts.passwords import weakness
from engine.runtime.accounts.tokens import API, BY_PROVIDER, SESSION, Tokens, hash_of
from engine.runtime.accounts.users import Users
from engine.settings import Server as Options
from engine.state.user import ANYBODY, EVERYWHERE, NOBODY, Role, User
from engine.store.rows import Account, Token

COOKIE = "tidegate_session"
CSRF = "X-CSRF-TOKEN"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
# How long a change that another process made may stay unseen; this one's own are seen at once.
FRESH_SECONDS = 1.0
AT_MOST = 10_000
WRONG = "the user or the password is wrong"

V = TypeVar("V")


class Fresh(Generic[V]):
    """What the store said a moment ago, by key."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, V]] = {}

    async def get(self, key: str, ask: Callable[[], Awaitable[V]]) -> V:
        now = monotonic()
        kept = self._kept.get(key)
        if kept is not None and kept[0] > now:
            return kept[1]
        value = await ask()
        if len(self._kept) >= AT_MOST:
            self._kept.clear()
        self._kept[key] = (now + FRESH_SECONDS, value)
        return value

    def clear(self) -> None:
        self._kept.clear()


class Access:
    """Finds the user of a request, once there are users."""

    def __init__(
        self,
        users: Users,
        tokens: Tokens,
        limits: Limits,
        peers: Peers,
        options: Options,
        provider: Provider | None = None,
    ) -> None:
        self._provider = provider
        self._identities = Identities(options.oidc)
        self._limits = limits
        self._peers = peers
        self._users = users
        self._tokens = tokens
        self._options = options
        self._anybody: Fresh[bool] = Fresh()
        self._accounts: Fresh[Account | None] = Fresh()
        self._known: Fresh[Token | None] = Fresh()
        self._right: dict[bytes, str] = {}
        self._comparing: WeakValueDictionary[bytes, anyio.Lock] = WeakValueDictionary()
        self._key = random_salt()
        self._has_users = provider is not None
        users.on_change = self._forget

    async def prepare(self) -> None:
        """Make the user that the settings name, where it is fit to be one."""
        given = self._options.basic_auth
        errors = credential_errors(given.username, given.password) if given.username else []
        if errors:
            logging.getLogger("tidegate").warning("The user of server.basic_auth is not made: %s", " ".join(errors))
        if errors or not given.username:
            return
        account = await self._users.find(given.username)
        if account is None:
            try:
                await self._users.add(given.username, given.password, {EVERYWHERE: Role.ADMIN})
            except Conflict:
                # Another process on this data folder was faster.
                return
        elif not await self._users.check(account, given.password):
            await self._users.set_password(given.username, given.password)

    async def has_users(self) -> bool:
        """Whether there is a user, or somebody may come from a sign-in provider.

        In a process it stays so, lest a server that others reach opens for all.
        """
        if not self._has_users:
            self._has_users = await self._anybody.get("", self._users.any)
        return self._has_users

    async def asks(self) -> bool:
        """Whether everybody is asked who he is."""
        return self._options.auth.required or bool(self._options.basic_auth.username) or await self.has_users()

    async def user(self, request: web.Request) -> User:
        """Who asks. Raises Unauthenticated, TooMany, and Denied for a page without its CSRF token."""
        address = self._peers.address(request)
        try:
            user = await self._said(request, address)
        except Unauthenticated:
            self._limits.strangers.take(address)
            raise
        self._limits.requests.take(user.name)
        return user

    async def user_or_nobody(self, request: web.Request, anonymous: bool) -> User:
        """Who asks for what anybody may ask for; nobody, too, where what he says of himself is not so.

        anonymous: nothing that he says is for the server
        Raises TooMany.
        """
        if not anonymous and ("Authorization" in request.headers or COOKIE in request.cookies):
            with suppress(Unauthenticated, Denied, TooMany):
                return await self.user(request)
        self._limits.requests.take(self._peers.address(request))
        return NOBODY

    async def _said(self, request: web.Request, address: str) -> User:
        if (given := request.headers.get("Authorization")) is not None:
            scheme, _, rest = given.partition(" ")
            match scheme.lower():
                case "basic":
                    return await self.by_password(*_credentials(rest), address)
                case "bearer":
                    return await self._by_bearer(rest.strip())
            raise Unauthenticated(f"'{scheme[:20]}' is not known here: say Basic or Bearer")
        if (secret := request.cookies.get(COOKIE)) is not None:
            if request.method not in READING and not hmac.compare_digest(
                csrf_of(secret).encode(), request.headers.get(CSRF, "").encode(errors="replace")
            ):
                raise Denied(f"a page must send the header {CSRF}, as the answer to its login and GET /me say it")
            return await self._by_secret(secret, SESSION)
        raise Unauthenticated("say who you are: by user and password, by a token, or sign in")

    async def by_password(self, name: str, password: str, address: str) -> User:
        """The user with this name and password. Raises Unauthenticated, and TooMany after failures."""
        name = name.lower()
        self._limits.lockout.check(name, address)
        account = await self._accounts.get(name, lambda: self._users.find(name))
        proof = hmac.digest(self._key, f"{name}\0{password}".encode(), hashlib.sha256)
        if not self._is_right(account, proof):
            # Of many requests that begin with the same password one compares it.
            async with self._comparing.setdefault(proof, anyio.Lock()):
                if not self._is_right(account, proof):
                    await self._compare(name, password, account, proof, address)
        assert account is not None
        return User(account.name, account.roles)

    async def _compare(self, name: str, password: str, account: Account | None, proof: bytes, address: str) -> None:
        self._limits.lockout.attempt(name, address)
        if not await self._users.check(account, password) or account is None:
            raise Unauthenticated(WRONG, account.name if account else "")
        self._limits.lockout.succeeded(name, address)
        if len(self._right) >= AT_MOST:
            self._right.clear()
        self._right[proof] = account.password

    def _is_right(self, account: Account | None, proof: bytes) -> bool:
        return account is not None and bool(account.password) and self._right.get(proof) == account.password

    async def _by_bearer(self, token: str) -> User:
        if self._provider is None or not self._options.oidc.audience or token.count(".") != 2:
            return await self._by_secret(token, API)
        claims = await self._provider.claims(token, self._options.oidc.audience)
        name = self._identities.name(claims)
        account = await self._accounts.get(name, lambda: self._users.find(name))
        if account is not None and account.password:
            raise Unauthenticated(f"'{name}' has a password here, and no token of the sign-in provider stands for him")
        if self._identities.gives_roles:
            return User(name, self._identities.roles(claims), BY_PROVIDER)
        return User(name, account.roles if account else {}, BY_PROVIDER)

    async def _by_secret(self, secret: str, kind: str) -> User:
        token = await self._known.get(hash_of(secret), lambda: self._tokens.find(secret))
        account = None
        if token is not None and token.kind == kind:
            name = token.account
            account = await self._accounts.get(name, lambda: self._users.find(name))
        if token is None or account is None:
            raise Unauthenticated("the session has ended" if kind == SESSION else "the token is wrong or has expired")
        return User(account.name, account.roles, token.name)

    def _forget(self) -> None:
        for kept in (self._anybody, self._accounts, self._known):
            kept.clear()


def csrf_of(secret: str) -> str:
    """The token that a page of a session sends with what changes something; no other page can know it."""
    return hash_of(f"csrf {secret}")


def credential_errors(username: str, password: str) -> list[str]:
    """Why these can't be the first user's; nothing where they can."""
    errors = []
    if not username:
        errors.append("No user name set for Basic Authentication. Please provide a user name.")
    elif "@" not in username.strip("@") or any(map(str.isspace, username)) or len(username) > 256:
        errors.append("Invalid username for Basic Authentication. Please provide a valid email address.")
    if not password:
        errors.append("No password set for Basic Authentication. Please provide a password.")
    elif (lack := weakness(password)) is not None:
        errors.append(f"Invalid password for Basic Authentication. {lack}")
    return errors


def _credentials(text: str) -> tuple[str, str]:
    try:
        name, colon, password = b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        name = colon = password = ""
    if not colon:
        raise Unauthenticated("the header Authorization is not 'Basic' and the base64 of user:password")
    return name, password


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def asking(access: Access) -> Any:
    """The middleware that notes who asks, and lets only those pass whom the server knows."""

    @web.middleware
    async def ask(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_of(request)
        if not await access.asks():
            request[USER] = ANYBODY
        elif route is not None and route.role > Role.NOBODY:
            request[USER] = await access.user(request)
        else:
            request[USER] = await access.user_or_nobody(request, route is not None and route.anonymous)
        return await handler(request)

    return ask
