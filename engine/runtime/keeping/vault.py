"""Encrypts what must not be stored in the clear, with the key of the data folder."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from engine.errors import Refused
from engine.state.sealed import TYPE

KEY_BYTES = 32
IV_BYTES = 12


class Vault:
    """Seals texts and opens them again. The key is made when it is first needed, readable for its owner alone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._key: bytes | None = None

    def seal(self, text: str) -> dict[str, Any]:
        """The encrypted form of a text, as it is stored."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        # The only randomness that must not repeat, not even from the same seed.
        iv = os.urandom(IV_BYTES)
        sealed = iv + AESGCM(self._load()).encrypt(iv, text.encode(), None)
        return {"type": TYPE, "value": base64.b64encode(sealed).decode()}

    def seal_json(self, value: Any) -> dict[str, Any]:
        """The encrypted form of a value that has a secret somewhere inside."""
        return {**self.seal(msgspec.json.encode(value).decode()), "json": True}

    def seal_secrets(self, outputs: dict[str, Any], masks: Collection[str]) -> dict[str, Any]:
        """Outputs whose values are sealed where they hold one of the texts that must not show."""
        if not masks:
            return outputs
        return {name: self.seal_json(value) if _holds(value, masks) else value for name, value in outputs.items()}

    def open(self, value: str, json: bool = False) -> Any:
        """What was sealed. Raises Refused when it was sealed with another key."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            sealed = base64.b64decode(value, validate=True)
            text = AESGCM(self._load()).decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], None).decode()
        except (InvalidTag, ValueError, binascii.Error):
            raise Refused(f"An encrypted value can't be read: another key than {self._file} encrypted it") from None
        return msgspec.json.decode(text) if json else text

    def ensure(self) -> bool:
        """Make the key where there is none; whether it was made now."""
        known = self._file.exists()
        self._load()
        return not known

    def _load(self) -> bytes:
        if self._key is None:
            try:
                handle = os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            except FileExistsError:
                self._key = self._file.read_bytes()
            else:
                self._key = os.urandom(KEY_BYTES)
                with os.fdopen(handle, "wb") as file:
                    file.write(self._key)
                    file.flush()
                    os.fsync(file.fileno())
        return self._key


def _holds(value: Any, masks: Collection[str]) -> bool:
    if isinstance(value, str):
        return any(mask in value for mask in masks)
    if isinstance(value, dict):
        return any(_holds(key, masks) or _holds(item, masks) for key, item in value.items())
    return isinstance(value, list) and any(_holds(item, masks) for item in value)
