"""The store's port: what belongs to namespaces. Every method may raise Unavailable, after which nothing was changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.store.rows import Entry, NamespaceRow, SecretInfo


class KvStore(Protocol):
    """Keys and their values. Whoever reads looks at `expires`: what has expired stays until it is deleted."""

    async def get(self, namespace: str, key: str) -> Entry | None: ...

    async def put(self, entry: Entry, overwrite: bool = True, keep: int = 0) -> bool:
        """Store an entry as the next revision; `created` and a description that isn't given stay as they were.

        keep: how many earlier values of the key stay
        False, and nothing is changed, where `overwrite` is off and the key is taken by one that has not expired.
        """
        ...

    async def list(self, namespace: str | None = None, prefix: str = "") -> Sequence[Entry]:
        """Entries by namespace and key."""
        ...

    async def older(self, namespace: str, key: str) -> Sequence[Entry]:
        """The earlier values of a key that are kept, the latest first."""
        ...

    async def purge(self, keys: Sequence[tuple[str, str]], keep: int, before: int | None = None) -> int:
        """Drop earlier values of keys; returns how many.

        keep: how many values of a key stay, with the one of now; at least 1
        before: leave those that were stored later
        """
        ...

    async def delete(self, keys: Sequence[tuple[str, str]], expired: int | None = None) -> int:
        """Delete keys given as (namespace, key), with their earlier values; returns how many there were.

        expired: leave those that had not expired by then
        """
        ...


class SecretStore(Protocol):
    """Secrets, encrypted by whoever stores them."""

    async def put(self, namespace: str, key: str, sealed: str, at: int, description: str | None = None) -> None: ...

    async def find(self, namespaces: Sequence[str], key: str) -> str | None:
        """The sealed value of a key in the first of these namespaces that has it."""
        ...

    async def list(self, namespace: str | None = None) -> Sequence[SecretInfo]:
        """Secrets by namespace and key, without their values."""
        ...

    async def delete(self, namespace: str, key: str) -> bool: ...


class NamespaceStore(Protocol):
    """Namespaces that somebody made; others exist by what is in them."""

    async def put(self, id: str, description: str | None, at: int) -> None:
        """Make one, or change its description."""
        ...

    async def list(self) -> Sequence[NamespaceRow]: ...

    async def delete(self, id: str) -> bool: ...
