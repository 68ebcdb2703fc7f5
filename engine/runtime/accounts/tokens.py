"""What stands for a user without his password: API tokens of programs, and sessions of pages.

Whoever has the secret is the user; it is shown once, and only its hash is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from engine.clock import Clock
from engine.errors import Conflict, Malformed, NotFound
from engine.ids import random_id, random_secret
from engine.runtime.accounts.users import Users
from engine.store.access import TokenStore
from engine.store.rows import Token

PREFIX = "tdg_"
"""How API tokens begin, so that people and programs that look for secrets in files know them."""

API, SESSION = "API", "SESSION"
BY_PROVIDER = "oidc"
"""The name of sessions that began at a sign-in provider."""
LONGEST_NAME = 100


class Tokens:
    """The tokens of a data folder."""

    def __init__(self, store: TokenStore, users: Users, clock: Clock) -> None:
        self._store = store
        self._users = users
        self._clock = clock

    async def create(self, user: str, name: str, lifetime: int | None) -> tuple[Token, str]:
        """A new API token and its secret, which nobody can see again. `lifetime`: milliseconds, None for ever.

        Raises NotFound for an unknown user, Conflict where he has a token of this name, Malformed for a bad name.
        """
        if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            raise Malformed(f"A token needs a name of at most {LONGEST_NAME} characters, which says what it is for")
        account = await self._users.get(user)
        token, secret = self._made(account.name, API, name, lifetime), f"{PREFIX}{random_secret()}"
        if not await self._store.add(token, hash_of(secret)):
            raise Conflict(f"'{account.name}' has a token '{name}' already")
        return token, secret

    async def open_session(self, user: str, lifetime: int, name: str = "") -> str:
        """The secret of a new session. Raises NotFound for an unknown user."""
        token, secret = self._made(user.lower(), SESSION, name, lifetime), random_secret()
        await self._store.purge(self._clock.now())
        if not await self._store.add(token, hash_of(secret)):
            raise NotFound("user", user)
        return secret

    async def find(self, secret: str) -> Token | None:
        """What has not expired of this secret."""
        token = await self._store.find(hash_of(secret))
        if token is None or (token.expires is not None and token.expires <= self._clock.now()):
            return None
        return token

    async def list(self, user: str | None = None) -> Sequence[Token]:
        """API tokens, of a user or of all."""
        return await self._store.list(user.lower() if user else None)

    async def revoke(self, user: str, id: str) -> Token:
        """Delete an API token, chosen by its id or its name. Raises NotFound."""
        found = next((token for token in await self.list(user) if id in (token.id, token.name)), None)
        if found is None:
            raise NotFound("token", id, "the list of tokens shows their ids and names")
        await self.end(found)
        return found

    async def end(self, token: Token) -> None:
        """Let a token or a session stand for nobody from now on."""
        await self._store.delete(token.account, token.id)
        self._users.on_change()

    def _made(self, user: str, kind: str, name: str, lifetime: int | None) -> Token:
        now = self._clock.now()
        return Token(random_id(), user, kind, name, now, None if lifetime is None else now + lifetime)


def hash_of(secret: str) -> str:
    """What is kept of a secret. It has 256 bits: nobody tries them all, however fast the hash."""
    # Headers may hold bytes that are no text.
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()
