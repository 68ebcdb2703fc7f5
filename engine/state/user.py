"""Who asks, and what he may do where."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import msgspec

EVERYWHERE = ""
"""The namespace of roles that hold in all of them."""


class Role(IntEnum):
    """What a user may do in a namespace; each role may also do what those before it may."""

    NOBODY = 0
    VIEWER = 1
    OPERATOR = 2
    EDITOR = 3
    ADMIN = 4


class User(msgspec.Struct, frozen=True):
    """Somebody who calls the API. `roles` maps a namespace, which stands for those below it too, to a role's number.

    The empty namespace stands for all of them. `token` names the API token that he came with, if it was one.
    """

    name: str
    roles: Mapping[str, int] = {}
    token: str = ""

    def role(self, namespace: str | None) -> int:
        """The highest role that the user has in a namespace; in any one for None."""
        if namespace is None:
            return max(self.roles.values(), default=0)
        return max(
            (role for owner, role in self.roles.items() if not owner or f"{namespace}.".startswith(f"{owner}.")),
            default=0,
        )


NOBODY = User("nobody")
"""Whoever did not say who he is."""

ANYBODY = User("anybody", {EVERYWHERE: Role.ADMIN})
"""Whoever reaches a server that asks nobody who he is; it listens on this machine alone."""
