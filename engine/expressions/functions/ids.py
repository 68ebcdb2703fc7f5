"""Functions that make ids and random numbers, the same ones in each pass of a rendering."""

from __future__ import annotations

import socket
import uuid
from typing import Any

from engine.errors import ExpressionError
from engine.expressions.arguments import as_text, given, integer
from engine.expressions.registry import template_function
from engine.expressions.scope import RenderScope
from engine.ids import base62

NANO_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
NANO_LENGTH = 21
LONGEST = 1000
KSUID_EPOCH = 1_400_000_000
KSUID_LENGTH = 27
FIRST_PORT, LAST_PORT = 32768, 60999
ATTEMPTS = 100


@template_function("uuid")
def uuid_text(scope: RenderScope) -> str:
    """A random UUID."""
    return str(uuid.UUID(int=scope.random().getrandbits(128), version=4))


@template_function("id")
def id(scope: RenderScope) -> str:
    """A random id of 22 letters and digits."""
    return base62(scope.random().getrandbits(128))


@template_function("ksuid")
def ksuid(scope: RenderScope) -> str:
    """A random id of 27 letters and digits; ids of later seconds sort later."""
    seconds = int(scope.now().timestamp()) - KSUID_EPOCH
    return base62((seconds << 128) | scope.random().getrandbits(128), KSUID_LENGTH)


@template_function("nanoId", parameters=("length", "alphabet"))
def nano_id(scope: RenderScope, length: Any = None, alphabet: Any = None) -> str:
    """A random id of a length (21) from the letters of an alphabet."""
    count = NANO_LENGTH if length is None else integer(length, "The argument 'length' of nanoId")
    letters = NANO_ALPHABET if alphabet is None else as_text(alphabet)
    if not 0 <= count <= LONGEST:
        raise ExpressionError(f"The argument 'length' of nanoId must be from 0 to {LONGEST}")
    if not letters:
        raise ExpressionError("The argument 'alphabet' of nanoId must not be empty")
    return "".join(scope.random().choices(letters, k=count))


@template_function("randomInt", parameters=("lower", "upper"))
def random_int(scope: RenderScope, lower: Any = None, upper: Any = None) -> int:
    """A random integer from a lower bound up to, but without, an upper one; the bound itself where both are equal."""
    low = integer(given("randomInt", "lower", lower), "The argument 'lower' of randomInt")
    high = integer(given("randomInt", "upper", upper), "The argument 'upper' of randomInt")
    if high < low:
        raise ExpressionError("The argument 'upper' of randomInt must not be less than 'lower'")
    return low if low == high else scope.random().randrange(low, high)


@template_function("randomPort")
def random_port(scope: RenderScope) -> int:
    """A port of this machine that nobody listens on."""
    for _ in range(ATTEMPTS):
        port = scope.random().randint(FIRST_PORT, LAST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ExpressionError("randomPort() found no free port")


@template_function("datafaker", parameters=("expr", "locale"))
def datafaker(scope: RenderScope, expr: Any = None, locale: Any = None) -> str:
    """Sample data for `#{Name.fullName}` and the like in a text; a locale, as `fr` or `['fr', 'FR']`, for countries."""
    # Its words are read at first use.
    from engine.expressions.samples import Draw, locale_of, sample

    if not isinstance(expr, str) or not expr.strip():
        raise ExpressionError("Missing or invalid 'expr' argument of the 'datafaker' function: as #{Name.fullName}")
    scope.budget.text(len(expr))
    parts = [as_text(part) for part in locale] if isinstance(locale, list | tuple) else [as_text(locale or "en")]
    return sample(Draw(scope.random(), scope.now(), locale_of("_".join(parts))), expr)
