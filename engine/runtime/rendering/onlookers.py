"""What expressions may ask for when somebody tries them on an execution who may see that, and nothing else.

Whoever writes flows can have them do anything; whoever only runs them must not read secrets letter by letter, files and
keys of other namespaces, or have the server send requests.
"""

from __future__ import annotations

from typing import Any

from engine.errors import StorageError
from engine.expressions.needs import Missing, Need
from engine.files.addresses import SCHEME, parts_of
from engine.runtime.rendering.lookups import LookUp
from engine.state.sealed import SHOWN

DOING = frozenset({"http", "subflow"})
OF_FILES = frozenset({"read", "file_size", "file_exists"})
COVERED = frozenset({"secret", "sealed"})


class Onlooker:
    """The look-ups of an execution of a namespace, for an onlooker."""

    def __init__(self, look_up: LookUp, namespace: str) -> None:
        self._look_up = look_up
        self._namespace = namespace

    async def __call__(self, need: Need) -> Any:
        if need.kind in COVERED:
            return SHOWN
        if need.kind in DOING:
            return Missing(f"{need.kind}() does something, and is not available where an expression is only tried")
        if need.kind in OF_FILES and not self._may_read(*need.arguments[:2]):
            return Missing(f"The file '{need.arguments[0]}' is none of the namespace '{self._namespace}'")
        if need.kind == "kv" and not self._is_own(need.arguments[1]):
            return Missing(f"The keys of the namespace '{need.arguments[1]}' are not available here")
        return await self._look_up(need)

    def _may_read(self, path: str, namespace: str | None = None) -> bool:
        if path.startswith(SCHEME):
            own = tuple(self._namespace.split("."))
            try:
                return parts_of(path)[: len(own)] == own
            except StorageError:
                return False
        return self._is_own(namespace) and not path.startswith("file:")

    def _is_own(self, namespace: str | None) -> bool:
        return namespace is None or f"{self._namespace}.".startswith(f"{namespace}.")
