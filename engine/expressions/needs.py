"""What a template asks for that isn't in memory.

Rendering is synchronous. A function that would have to wait raises `Needs`; whoever renders fetches each need once,
puts it into `Found` and renders again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Need(NamedTuple):
    """One look-up: `kind` (secret, kv, read, http, jq, output, …) and its hashable arguments."""

    kind: str
    arguments: tuple[Any, ...]


class Missing(NamedTuple):
    """The answer to a need that failed: the message becomes the expression's error."""

    message: str


Found = Mapping[Need, Any]


class Needs(Exception):
    """Raised by a template that can't go on before these needs are met."""

    def __init__(self, *needs: Need) -> None:
        self.needs = needs
        super().__init__(", ".join(need.kind for need in needs))


class Deferred:
    """A value in the variables that is fetched when a template first looks into it (a large output, say)."""

    __slots__ = ("need",)

    def __init__(self, need: Need) -> None:
        self.need = need
