"""Who a sign-in provider's user is here, and which roles his groups give him."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.api.problems import Denied, Illegal
from engine.api.tokens import roles_of
from engine.errors import Refused
from engine.runtime.accounts.users import NAME
from engine.settings import Oidc as Options


class Identities:
    """Reads claims as the settings say. Raises Refused for settings that name no role."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._roles = {group: _roles(group, named) for group, named in options.roles.items()}

    @property
    def gives_roles(self) -> bool:
        """Whether groups decide on the roles; else an ADMIN of this server does."""
        return bool(self._roles)

    def name(self, claims: Mapping[str, Any]) -> str:
        """The user's name. Raises Denied where the claims give none that can be one."""
        claim = self._options.username_claim
        name = _at(claims, claim)
        if not isinstance(name, str) or not NAME.fullmatch(name.lower()):
            raise Denied(f"the sign-in provider gives no name of a user in the claim '{claim}'")
        if claim == "email" and claims.get("email_verified") is False:
            raise Denied(f"the sign-in provider has not verified that '{name}' is the user's address")
        return name.lower()

    def has_groups(self, claims: Mapping[str, Any]) -> bool:
        return _at(claims, self._options.groups_claim) is not None

    def roles(self, claims: Mapping[str, Any]) -> dict[str, int]:
        """The highest role of all groups in each namespace."""
        groups = _at(claims, self._options.groups_claim)
        found: dict[str, int] = {}
        for group in [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else ():
            for namespace, role in self._roles.get(str(group), {}).items():
                found[namespace] = max(role, found.get(namespace, 0))
        return found


def _roles(group: str, named: Mapping[str, str]) -> dict[str, int]:
    try:
        return roles_of(dict(named))
    except (Illegal, Refused) as error:
        raise Refused(f"Setting not accepted: server.oidc.roles, group '{group}': {error}") from None


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by a path of names with dots between them, as `realm_access.roles`."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
