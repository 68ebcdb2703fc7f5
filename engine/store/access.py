"""The store's port for who may use the server and what he did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from engine.store.rows import Account, AuditEntry, AuditFilter, Token


class AccountStore(Protocol):
    """Users of the server and their roles."""

    async def any(self) -> bool:
        """Whether there is a user."""
        ...

    async def add(self, account: Account, first: bool = False) -> bool:
        """Add a user with his roles. False, and nothing is changed, where the name is taken.

        first: also where there is any user already
        """
        ...

    async def list(self, name: str | None = None) -> Sequence[Account]:
        """Users by name, or the one of this name."""
        ...

    async def set_password(self, name: str, password: str, at: int) -> bool:
        """Store another hash; whether there is such a user. His sessions end."""
        ...

    async def set_roles(self, name: str, roles: Mapping[str, int], at: int, whole: bool = False) -> bool:
        """Set the roles in these namespaces, 0 removes one; whether there is such a user.

        whole: he keeps no other role
        """
        ...

    async def remove(self, name: str) -> bool:
        """Remove a user with his tokens and sessions; whether there was one."""
        ...


class TokenStore(Protocol):
    """API tokens and sessions of users, by the hash of their secret. Whoever reads looks at `expires`."""

    async def add(self, token: Token, hash: str) -> bool:
        """Store one. False where there is no such user, or he has an API token of this name."""
        ...

    async def find(self, hash: str) -> Token | None: ...

    async def list(self, account: str | None = None) -> Sequence[Token]:
        """API tokens, oldest first of each user."""
        ...

    async def delete(self, account: str, id: str) -> bool: ...

    async def purge(self, at: int) -> int:
        """Delete what has expired at `at`; returns how many."""
        ...


class AuditStore(Protocol):
    """Who changed what."""

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Store entries in their order; returns when they are committed."""
        ...

    async def list(self, where: AuditFilter) -> Sequence[AuditEntry]:
        """Entries, newest first."""
        ...

    async def count(self, where: AuditFilter) -> int: ...

    async def purge(self, before: int) -> int:
        """Delete what is older; returns how many."""
        ...
