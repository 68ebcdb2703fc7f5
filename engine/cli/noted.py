"""What commands change of users goes to the audit log, as what the API changes."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from engine.clock import SystemClock

if TYPE_CHECKING:
    from engine.runtime.engine import Engine

METHOD = "CLI"


async def note(engine: Engine, command: str, target: str, namespace: str = "") -> None:
    """Note that this machine's user did a command."""
    from engine.store.rows import AuditEntry

    entry = AuditEntry(SystemClock().now(), _person(), "", "", METHOD, f"tidegate {command}", namespace, target, 200)
    await engine.audit.add(entry)


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # Containers run under numbers that no file names.
        return str(os.getuid())
