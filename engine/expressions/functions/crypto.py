"""Functions that encrypt and decrypt texts with AES in Galois/Counter mode."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from engine.errors import ExpressionError
from engine.expressions.arguments import as_text, given
from engine.expressions.registry import template_function
from engine.expressions.scope import RenderScope

IV_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = (16, 24, 32)


@template_function("encrypt", parameters=("key", "plaintext"))
def encrypt(scope: RenderScope, key: Any = None, plaintext: Any = None) -> str:
    """A text encrypted with a base64 key, as base64 of IV, cipher text and tag; an empty text stays empty."""
    secret = _key("encrypt", key)
    text = as_text(given("encrypt", "plaintext", plaintext))
    if not text:
        return text
    scope.budget.text(len(text))
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    whole = text.encode()
    # Hashed together with key and text, so that no two texts ever share an IV even if random numbers repeat.
    nonce = scope.random().getrandbits(128).to_bytes(16, "big")
    iv = hashlib.blake2b(nonce + hashlib.blake2b(whole).digest(), key=secret, digest_size=IV_BYTES).digest()
    return base64.b64encode(iv + AESGCM(secret).encrypt(iv, whole, None)).decode()


@template_function("decrypt", parameters=("key", "encrypted"))
def decrypt(scope: RenderScope, key: Any = None, encrypted: Any = None) -> str:
    """The text that `encrypt` encrypted with the same key; an empty text stays empty."""
    secret = _key("decrypt", key)
    text = as_text(given("decrypt", "encrypted", encrypted))
    if not text:
        return text
    scope.budget.text(len(text))
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        whole = base64.b64decode(text, validate=True)
        if len(whole) < IV_BYTES + TAG_BYTES:
            raise ExpressionError("The text to decrypt is too short to be an encrypted one")
        return AESGCM(secret).decrypt(whole[:IV_BYTES], whole[IV_BYTES:], None).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise ExpressionError("The text to decrypt is not base64 of an encrypted text") from None
    except InvalidTag:
        raise ExpressionError(
            "The text can't be decrypted: the key is not the one that it was encrypted with"
        ) from None


def _key(function: str, key: Any) -> bytes:
    try:
        secret = base64.b64decode(as_text(given(function, "key", key)), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) not in KEY_BYTES:
        raise ExpressionError(f"The argument 'key' of {function} must be base64 of 16, 24 or 32 bytes")
    return secret
