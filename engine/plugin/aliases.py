"""Old type names that flows still use, and what they are called now."""

from __future__ import annotations

_FAMILY = "io.kestra.plugin."

ALIASES: dict[str, str] = {}
