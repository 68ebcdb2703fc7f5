"""The forms in which a secret may turn up in a text."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""Shorter texts are not masked: they would turn up by chance."""


def forms(secret: str) -> set[str]:
    """A secret, its lines, and both as base64, hex, in a URL and in JSON; without what is too short."""
    found: set[str] = set()
    for text in {line for line in (secret, *secret.splitlines()) if len(line) >= SHORTEST}:
        raw = text.encode()
        found |= {
            text,
            base64.b64encode(raw).decode(),
            base64.urlsafe_b64encode(raw).decode(),
            raw.hex(),
            quote(text, safe=""),
            quote_plus(text),
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
        }
    return found
