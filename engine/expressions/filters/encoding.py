"""Filters that encode, decode and digest texts."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from engine.errors import ExpressionError
from engine.expressions.arguments import as_text, text
from engine.expressions.registry import template_filter
from engine.expressions.scope import RenderScope


@template_filter("base64encode")
def base64_encode(scope: RenderScope, value: Any) -> str:
    """A text in base64."""
    whole = as_text(value)
    scope.budget.text(len(whole) * 4 // 3)
    return base64.b64encode(whole.encode()).decode()


@template_filter("base64decode")
def base64_decode(scope: RenderScope, value: Any) -> str:
    """The text that base64 stands for."""
    whole = text(value, "What 'base64decode' is applied to")
    scope.budget.text(len(whole))
    padded = whole + "=" * (-len(whole) % 4 if len(whole) % 4 != 1 else 0)
    try:
        return base64.b64decode(padded, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise ExpressionError(f"'{whole[:100]}' is not base64") from None


@template_filter("urlencode")
def url_encode(scope: RenderScope, value: Any) -> str:
    """A text as part of a query: `+` for a space, `%xx` for what else has a meaning there."""
    whole = as_text(value)
    scope.budget.text(len(whole) * 3)
    return quote_plus(whole, safe="*-._").replace("~", "%7E")


@template_filter("urldecode")
def url_decode(scope: RenderScope, value: Any) -> str:
    """The text that a part of a query stands for."""
    whole = as_text(value)
    scope.budget.text(len(whole))
    return unquote_plus(whole)


@template_filter("md5")
def md5(scope: RenderScope, value: Any) -> str:
    """The MD5 digest of a text, in hex."""
    return _digest(scope, "md5", value)


@template_filter("sha1")
def sha1(scope: RenderScope, value: Any) -> str:
    """The SHA-1 digest of a text, in hex."""
    return _digest(scope, "sha1", value)


@template_filter("sha256")
def sha256(scope: RenderScope, value: Any) -> str:
    """The SHA-256 digest of a text, in hex."""
    return _digest(scope, "sha256", value)


@template_filter("sha512")
def sha512(scope: RenderScope, value: Any) -> str:
    """The SHA-512 digest of a text, in hex."""
    return _digest(scope, "sha512", value)


def _digest(scope: RenderScope, name: str, value: Any) -> str:
    whole = as_text(value)
    scope.budget.text(len(whole))
    return hashlib.new(name, whole.encode(), usedforsecurity=False).hexdigest()
