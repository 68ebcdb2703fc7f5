"""Slots of flows that limit how many of their executions run at once.

A slot is a row: taken by an execution that runs, or wanted by one that is queued. Whatever frees a slot grants it, in
its own transaction, to those that wait longest; a timer that is due at once tells them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.errors import AtLimit
from engine.ids import ExecutionId
from engine.store.codec import encode
from engine.store.query import queries
from engine.store.rows import Granted

SQL = queries("sqlite")
NO_LIMIT = -1


class FlowKey(NamedTuple):
    """Which flow."""

    tenant: str
    namespace: str
    flow: str


class Limit(NamedTuple):
    """How many executions of a flow may run (None: any), what becomes of more, how many do, whether some wait."""

    limit: int | None
    behavior: str
    taken: int
    waiting: bool

    @property
    def free(self) -> int:
        """How many slots are free; NO_LIMIT for any number."""
        return NO_LIMIT if self.limit is None else max(0, self.limit - self.taken)


def limit_of(connection: sqlite3.Connection, flow: FlowKey) -> Limit:
    """The limit of the latest revision of a flow."""
    row = connection.execute(SQL["flow_slots"], flow._asdict()).fetchone()
    return Limit(None, "", 0, False) if row is None else Limit(row[0], row[1] or "", row[2], bool(row[3]))


def asked(
    connection: sqlite3.Connection, wanted: Mapping[FlowKey, Sequence[ExecutionId]]
) -> tuple[list[tuple[FlowKey, ExecutionId]], dict[ExecutionId, AtLimit]]:
    """Who of those that ask gets a slot, in their order, and who is turned away; without a limit nobody needs one.

    Somebody new gets none where others wait: the free ones are theirs.
    """
    taken: list[tuple[FlowKey, ExecutionId]] = []
    away: dict[ExecutionId, AtLimit] = {}
    for flow, ids in wanted.items():
        limit = limit_of(connection, flow)
        if limit.free == NO_LIMIT:
            continue
        free = 0 if limit.waiting else limit.free
        held = {row[0] for row in connection.execute(SQL["slots_held"], {"ids": encode(ids)}).fetchall()}
        new = [id for id in ids if id not in held]
        taken += [(flow, id) for id in new[:free]]
        away |= {id: AtLimit(limit.taken + free, limit.behavior) for id in new[free:]}
    return taken, away


def take(connection: sqlite3.Connection, slots: Iterable[tuple[FlowKey, ExecutionId]]) -> None:
    """Let executions have slots, whatever the limit of their flow."""
    if rows := [(*flow, id) for flow, id in slots]:
        connection.execute(SQL["take_slots"], {"rows": encode(rows)})


def wait(connection: sqlite3.Connection, slots: Iterable[tuple[FlowKey, ExecutionId]]) -> None:
    """Let executions wait for slots, behind those that do."""
    if rows := [(*flow, id) for flow, id in slots]:
        connection.execute(SQL["wait_for_slots"], {"rows": encode(rows)})


def free(connection: sqlite3.Connection, ids: Sequence[ExecutionId]) -> set[FlowKey]:
    """Take away what executions have of slots; returns their flows, to which slots may now be granted."""
    if not ids or connection.execute(SQL["any_slot"]).fetchone() is None:
        return set()
    return {FlowKey(*row) for row in connection.execute(SQL["free_slots"], {"ids": encode(ids)}).fetchall()}


def grant(connection: sqlite3.Connection, flows: Iterable[FlowKey]) -> list[Granted]:
    """Give the free slots of flows to those that wait longest, each with a timer that tells it."""
    granted: list[ExecutionId] = []
    for flow in flows:
        limit = limit_of(connection, flow)
        if limit.waiting and limit.free:
            rows = connection.execute(SQL["grant_slots"], {**flow._asdict(), "free": limit.free}).fetchall()
            granted += [row[0] for row in rows]
    return tell(connection, granted)


def tell(connection: sqlite3.Connection, ids: Sequence[ExecutionId]) -> list[Granted]:
    """Write the timers of executions that were granted a slot."""
    if not ids:
        return []
    rows = connection.execute(SQL["tell_granted"], {"ids": encode(ids)}).fetchall()
    return [Granted(ExecutionId(id), owner) for id, owner in rows]


def repair(connection: sqlite3.Connection) -> tuple[int, list[Granted]]:
    """Put right what can't be by the rules; how much that was, and who was granted a slot by it."""
    faults = connection.execute(SQL["slot_faults"]).fetchall()
    of: dict[str, list[tuple[FlowKey, ExecutionId]]] = {}
    for fault, tenant, namespace, flow, id in faults:
        of.setdefault(fault, []).append((FlowKey(tenant, namespace, flow), ExecutionId(id)))
    free(connection, [id for _, id in of.get("stray", ())])
    take(connection, of.get("uncounted", ()))
    wait(connection, of.get("unplaced", ()))
    told = tell(connection, [id for _, id in of.get("untold", ())])
    touched = dict.fromkeys(flow for found in of.values() for flow, _ in found)
    return len(faults), told + grant(connection, touched)
