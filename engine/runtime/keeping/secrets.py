"""Secrets: variables SECRET_… of the environment first, then those of the data folder, which are encrypted."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Sequence

from engine.clock import Clock
from engine.errors import Malformed, Refused
from engine.runtime.keeping.keys import with_parents
from engine.runtime.keeping.vault import Vault
from engine.store.namespaced import SecretStore
from engine.store.rows import SecretInfo

PREFIX = "SECRET_"
EVERYWHERE = ""
"""The namespace of secrets that all namespaces see."""

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")


class Secrets:
    """The secrets that flows may read. Keys are the same in upper and lower case."""

    def __init__(self, store: SecretStore, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock

    async def find(self, namespace: str, key: str) -> str | None:
        """A secret as a namespace sees it: of the environment, its own, of those above it, of all.

        Raises Refused for one that can't be read.
        """
        name = key.upper()
        if (text := os.environ.get(f"{PREFIX}{name}")) is not None:
            return _decoded(key, text)
        sealed = await self._store.find([*with_parents(namespace), EVERYWHERE], name)
        return None if sealed is None else str(self._vault.open(sealed))

    async def set(self, key: str, value: str, namespace: str = EVERYWHERE, description: str | None = None) -> None:
        """Store a secret, encrypted. Raises Malformed for what can't be a key, or an empty value."""
        if not NAME.fullmatch(key):
            raise Malformed(
                f"A secret's key has letters, digits, '.', '_' and '-', and begins with neither: '{key[:100]}'"
            )
        if not value:
            raise Malformed(f"The secret '{key}' would be empty")
        await self._store.put(namespace, key.upper(), self._vault.seal(value)["value"], self._clock.now(), description)

    async def describe(self, key: str, description: str, namespace: str = EVERYWHERE) -> bool:
        """Say what a stored secret is for; whether there is one."""
        sealed = await self._store.find([namespace], key.upper())
        if sealed is not None:
            await self._store.put(namespace, key.upper(), sealed, self._clock.now(), description)
        return sealed is not None

    async def list(self, namespace: str | None = None) -> Sequence[SecretInfo]:
        """The stored secrets, without their values."""
        return await self._store.list(namespace)

    async def delete(self, key: str, namespace: str = EVERYWHERE) -> bool:
        """Delete a stored secret; whether there was one."""
        return await self._store.delete(namespace, key.upper())


def of_environment() -> list[str]:
    """Keys of the secrets that the environment gives, sorted."""
    return sorted(name.removeprefix(PREFIX) for name in os.environ if name.startswith(PREFIX))


def _decoded(key: str, text: str) -> str:
    try:
        return base64.b64decode(text, validate=False).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Refused(f"The secret '{key}' is not base64 text: {PREFIX}{key.upper()} must hold base64") from None
