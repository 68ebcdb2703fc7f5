"""Identifiers, and the only source of randomness.

Ids are 22 characters of base62, the shape that users' tools expect.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from binascii import b2a_base64
from typing import NewType

ExecutionId = NewType("ExecutionId", str)
TaskRunId = NewType("TaskRunId", str)
NodeId = NewType("NodeId", str)

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH = 22

_ONLY_LETTERS = bytes.maketrans(b"+/", b"Zz")


def base62(number: int, length: int = LENGTH) -> str:
    """`number` in base62, padded with zeros or cut to `length` characters."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


_generator = random.Random(secrets.randbits(256))  # noqa: S311


def random_id() -> str:
    """A new id; ids made later in the same process don't sort later."""
    return _text(_generator.getrandbits(128).to_bytes(16, "big"))


def derived_id(*parts: object) -> str:
    """The same id for the same parts, whoever asks."""
    text = "\x1f".join(map(str, parts))
    return _text(hashlib.blake2b(text.encode(), digest_size=16).digest())


def _text(digest: bytes) -> str:
    # 16 bytes are 22 digits of base64; two letters stand twice so that only those of base62 occur. This is on the path
    # of every task run, and dividing by 62 costs five times as much.
    return b2a_base64(digest, newline=False)[:LENGTH].translate(_ONLY_LETTERS).decode("ascii")


def random_secret() -> str:
    """A text that nobody guesses: 256 bits, as 43 characters that may stand in a URL."""
    return secrets.token_urlsafe(32)


def random_salt() -> bytes:
    """16 bytes that make two hashes of the same text differ."""
    return secrets.token_bytes(16)


def random_seed() -> int:
    """A 63-bit seed for what must be random and yet repeatable from its event."""
    return secrets.randbits(63)


def seeded(seed: int) -> random.Random:
    """A generator that gives the same numbers for the same seed. Not for secrets."""
    return random.Random(seed)  # noqa: S311
