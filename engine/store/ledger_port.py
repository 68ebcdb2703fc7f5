"""The store's port for the items that triggers detect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from engine.state.ledger import Change, Comparing, Difference, Item, ItemState, Page, Scope, Step


class LedgerStore(Protocol):
    """Versions of items by scope. Every method may raise Unavailable, after which nothing was changed."""

    async def scope(self, namespace: str, name: str, source: str, at: int) -> Scope:
        """The scope of that name for that source, made where there is none."""
        ...

    async def begin(self, scope: int, unordered: bool, at: int) -> int:
        """The number of a new listing."""
        ...

    async def compare(self, scope: int, page: Page, how: Comparing) -> Sequence[Difference]:
        """What of a page of a listing isn't known, in the order of the page.

        What is known and not in the page, where it would have to be, is remembered as missed by this listing.
        What waits for being seen again unchanged is settled.
        """
        ...

    async def record(self, scope: int, changes: Sequence[Change], at: int) -> int:
        """Record new versions; returns how many nobody else had. What they supersede and nobody took is dropped."""
        ...

    async def finish(self, scope: int, how: Comparing, coverage: str, at: int, forget: int) -> int:
        """End a whole listing: what it missed is GONE; returns how many. Those GONE since before `forget` go."""
        ...

    async def claim(self, scope: int, taker: str, limit: int, at: int) -> Sequence[Item]:
        """Take up to `limit` versions that are NEW or FAILED and due into a new batch, in order; they are FETCHING."""
        ...

    async def open_batches(self, scope: int, taker: str) -> Sequence[str]:
        """Batches of a trigger with a version that is FETCHING or READY, by their first items."""
        ...

    async def batch(self, scope: int, batch: str) -> Sequence[Item]:
        """What is FETCHING or READY of a batch, in order."""
        ...

    async def apply(self, scope: int, steps: Sequence[Step], at: int) -> int:
        """Take steps; returns how many of the versions were in the state before."""
        ...

    async def due(self, scope: int, state: ItemState, at: int, limit: int, after: Item | None = None) -> Sequence[Item]:
        """Versions in a state that are due, by item, those after one."""
        ...

    async def waited_for(self, scope: int) -> Sequence[str]:
        """Executions that versions which are FIRED wait for."""
        ...

    async def of_execution(self, scope: int, execution: str) -> Sequence[Item]:
        """Versions that are FIRED and wait for an execution."""
        ...

    async def next_due(self, scope: int, state: ItemState) -> int | None:
        """When the first version in a state is due."""
        ...

    async def counts(self, scope: int) -> Mapping[ItemState, int]:
        """How many versions are in each state; looks at all of them."""
        ...

    async def known(self, scope: int, after: tuple[str, int] | None, limit: int) -> Sequence[Item]:
        """All versions by item and serial, those after one."""
        ...

    async def purge(self, before: int) -> int:
        """Forget scopes of triggers that are gone, if no listing began in them since before then; returns how many.

        A trigger's scope is called FLOW/ID; one that several share begins with `key:` and stays.
        """
        ...
