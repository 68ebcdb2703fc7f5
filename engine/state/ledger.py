"""What a trigger remembers of the items that it detects, such as the objects of a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from engine.ids import ExecutionId


class ItemState(StrEnum):
    """How far one version of an item has come."""

    NEW = "NEW"
    """Found; nobody has taken it."""
    FETCHING = "FETCHING"
    """In a batch that is being fetched."""
    READY = "READY"
    """In a batch, fetched; no execution has it."""
    FIRED = "FIRED"
    """An execution has it, whose end is waited for."""
    ACTION_PENDING = "ACTION_PENDING"
    """An execution has it; it is still to be moved or deleted."""
    DONE = "DONE"
    BASELINE = "BASELINE"
    """Was there before the trigger, which leaves it alone."""
    FILTERED = "FILTERED"
    """A change that the trigger doesn't ask for."""
    FAILED = "FAILED"
    """Could not be fetched; tried again when it is due."""
    GONE = "GONE"
    """A whole listing showed that it is not there any more."""


OPEN = (
    ItemState.NEW,
    ItemState.FETCHING,
    ItemState.READY,
    ItemState.FIRED,
    ItemState.ACTION_PENDING,
    ItemState.FAILED,
)
"""What something is still to be done with."""

VersionKey = Literal["etag", "versionId", "lastModified"]


class Listed(NamedTuple):
    """An item as a listing shows it; `modified` in milliseconds."""

    item: str
    etag: str
    size: int
    modified: int | None = None
    version: str | None = None


class Item(NamedTuple):
    """One version of an item; moments in milliseconds.

    serial: counts the versions of the item; with `found` it names this one for ever
    change: CREATE or UPDATE, `previous` the etag before
    taker, batch: the trigger that has it, and what it is fetched and fired with
    uri, sha256: its content in internal storage
    target: where it is being moved to
    due: when something is to be done with it, None where nothing is
    tries, reason: how often the last step failed, and why the last time
    """

    item: str
    serial: int
    state: ItemState
    etag: str
    size: int
    modified: int | None
    version: str | None
    found: int
    changed: int
    change: str | None = None
    previous: str | None = None
    taker: str | None = None
    batch: str | None = None
    uri: str | None = None
    sha256: str | None = None
    execution: ExecutionId | None = None
    target: str | None = None
    tries: int = 0
    due: int | None = None
    reason: str | None = None


class Difference(NamedTuple):
    """An item of a listing that is not known so: the version that is known before it, if any."""

    listed: Listed
    known: Item | None


class Change(NamedTuple):
    """A version to be recorded, in its first state.

    known: the serial that it comes after, 0 for none; due: for NEW, before when it is not to be taken
    """

    listed: Listed
    known: int
    state: ItemState
    change: str
    previous: str | None = None
    due: int = 0


class Step(NamedTuple):
    """What becomes of a version that is in a state; `values`: columns that change with it."""

    item: str
    serial: int
    before: ItemState
    after: ItemState
    values: Mapping[str, Any] = {}


class Consumed(NamedTuple):
    """A READY version that an execution takes with it, and its state then; written with the execution or not at all."""

    scope: int
    item: str
    serial: int
    after: ItemState


class Page(NamedTuple):
    """A part of a listing to compare with what is known.

    items: in the order of the listing; after: the last one before them, None at the beginning
    last: there is nothing after them
    """

    items: tuple[Listed, ...]
    after: str | None
    last: bool


class Comparing(NamedTuple):
    """How a listing is compared.

    listing: its number; prefix: what all items begin with
    beyond: what stands after the prefix of items that the listing leaves out
    by: what tells two versions apart
    ordered: whether the listing is in the order of UTF-8
    dry: nothing is remembered of the comparison
    now: milliseconds; again: what was done with before then counts as new
    """

    listing: int
    prefix: str
    beyond: str | None
    start: str | None
    by: VersionKey
    ordered: bool
    now: int
    again: int | None = None
    dry: bool = False


class Scope(NamedTuple):
    """Where items of one source are remembered for a trigger, or for several that share a key.

    coverage: which items the last whole listing looked at, as text, None before the first
    listing: the number of the last one that began; listed: when the last whole one ended
    unordered: listings were seen to be in another order than that of UTF-8
    """

    id: int
    coverage: str | None
    listing: int
    listed: int | None
    unordered: bool
