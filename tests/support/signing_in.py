"""How a client of the API says who he is."""

from __future__ import annotations

from base64 import b64encode

ROOT, PASSWORD = "root@root.com", "Root!1234"


def basic(user: str = ROOT, password: str = PASSWORD) -> dict[str, str]:
    """The header of a user with a password."""
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    """The header of an API token."""
    return {"Authorization": f"Bearer {token}"}
