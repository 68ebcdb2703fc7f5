"""Which passwords are good enough, and how they are kept."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from engine.runtime.accounts.passwords import Passwords, weakness


@pytest.mark.parametrize(
    ("password", "good"),
    [
        ("Root!1234", True),
        ("Abcdefg1", True),
        ("Ünïcödé1", True),
        ("Abcdef1", False),
        ("abcdefg1", False),
        ("ABCDEFG1", False),
        ("Abcdefgh", False),
        ("", False),
        ("Aa1" + "x" * 253, True),
        ("Aa1" + "x" * 254, False),
    ],
)
def test_a_password_has_letters_of_both_kinds_and_digits(password: str, good: bool) -> None:
    assert (weakness(password) is None) is good


async def test_a_hash_is_of_its_password_alone_and_never_twice_the_same() -> None:
    passwords = Passwords()
    one, other = await passwords.hashed("Root!1234"), await passwords.hashed("Root!1234")
    assert one != other
    assert "Root" not in one
    assert await passwords.matches("Root!1234", one)
    assert await passwords.matches("Root!1234", other)
    assert not await passwords.matches("Root!12345", one)
    assert not await passwords.matches("Root!1234", "")


async def test_a_hash_that_another_version_made_is_understood() -> None:
    salt = b"0123456789abcdef"
    key = hashlib.scrypt(b"Root!1234", salt=salt, n=2**4, r=1, p=1)
    stored = f"scrypt$4$1$1${b64encode(salt).decode()}${b64encode(key).decode()}"
    assert await Passwords().matches("Root!1234", stored)
    assert not await Passwords().matches("Root!1235", stored)
