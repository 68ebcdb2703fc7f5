"""Who asks."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class User(msgspec.Struct, frozen=True):
    """Somebody who calls the API. `roles` maps a namespace, which stands for those below it too, to a role's number.

    The empty namespace stands for all of them.
    """

    name: str
    roles: Mapping[str, int] = {}

    def role(self, namespace: str | None) -> int:
        """The highest role that the user has in a namespace; in any one for None."""
        if namespace is None:
            return max(self.roles.values(), default=0)
        return max(
            (role for owner, role in self.roles.items() if not owner or f"{namespace}.".startswith(f"{owner}.")),
            default=0,
        )


ANYBODY = User("anybody", {"": 4})
"""Whoever reaches a server that asks nobody who he is; it listens on this machine alone."""
