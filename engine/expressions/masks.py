"""The forms in which a secret may turn up in a text."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from typing import Any
from urllib.parse import quote, quote_plus

from engine.state.sealed import SHOWN

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


def masked(text: str, masks: Collection[str]) -> str:
    """A text with stars in the place of those that must not show, the longest first."""
    for mask in sorted(masks, key=len, reverse=True):
        text = text.replace(mask, SHOWN)
    return text


def masked_value(value: Any, masks: Collection[str]) -> Any:
    """The same for a structure of texts."""
    if isinstance(value, str):
        return masked(value, masks)
    if isinstance(value, dict):
        return {masked_value(key, masks): masked_value(item, masks) for key, item in value.items()}
    return [masked_value(item, masks) for item in value] if isinstance(value, list) else value
