"""Lets the client's own tests talk to another server with a token that is there already. A plugin of their pytest."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any


def pytest_collection(session: Any) -> None:
    """Before the tests are collected their conftest is there, and nothing has signed in."""
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and hasattr(module, "_mint_api_token"):
            vars(module).update(
                HOST=os.environ["TIDEGATE_URL"],
                _setup_super_admin=lambda: None,
                _mint_api_token=lambda username, password: os.environ["TIDEGATE_TOKEN"],
            )
