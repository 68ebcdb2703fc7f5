"""Of which executions a trigger is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.state.status import Status


class Heard(NamedTuple):
    """Executions that come to certain states.

    namespace, flow: theirs; None for any
    prefix: the name of their namespace only begins so
    states: None for any
    """

    namespace: str | None = None
    flow: str | None = None
    prefix: bool = False
    states: frozenset[Status] | None = None


ALL: Sequence[Heard] = (Heard(),)


def both(first: Iterable[Heard], second: Iterable[Heard]) -> list[Heard]:
    """What belongs to one of the first and to one of the second."""
    others = list(second)
    found = (_both(one, other) for one in first for other in others)
    return list(dict.fromkeys(it for it in found if it is not None))


def _both(one: Heard, other: Heard) -> Heard | None:
    """What belongs to both, if anything can."""
    if one.flow is not None and other.flow is not None and one.flow != other.flow:
        return None
    states = one.states if other.states is None else other.states if one.states is None else one.states & other.states
    names = _namespaces(one, other)
    if names is None or states == frozenset():
        return None
    return Heard(names[0], one.flow if one.flow is not None else other.flow, names[1], states)


def _namespaces(one: Heard, other: Heard) -> tuple[str | None, bool] | None:
    """The name of both, and whether it is only the begin of names; None where they have no namespace in common."""
    for narrow, wide in ((one, other), (other, one)):
        if wide.namespace is None:
            return narrow.namespace, narrow.prefix
        if narrow.namespace is not None and _lies(narrow, wide.namespace, wide.prefix):
            return narrow.namespace, narrow.prefix
    return None


def _lies(narrow: Heard, namespace: str, prefix: bool) -> bool:
    assert narrow.namespace is not None
    return narrow.namespace.startswith(namespace) if prefix else (narrow.namespace, narrow.prefix) == (namespace, False)
