"""Requests by which senders of webhooks ask whether an address is really wanted, and what they want to hear."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from engine.errors import Unsigned
from engine.plugin import WebAnswer, WebRequest
from triggers.signatures import WRONG

JSON = "application/json"
TEXT = "text/plain"


def before(preset: str | None, request: WebRequest, secrets: Mapping[str, str]) -> WebAnswer | None:
    """The answer to a request that no sender signs. Raises Unsigned for one that knows no secret."""
    if preset != "meta" or request.method != "GET":
        return None
    mode, token, challenge = (_first(request, f"hub.{name}") for name in ("mode", "verify_token", "challenge"))
    known = [hmac.compare_digest(token.encode(), secret.encode()) for secret in secrets.values()]
    if mode != "subscribe" or not any(known):
        raise Unsigned(WRONG)
    return WebAnswer(challenge, TEXT)


def after(preset: str | None, request: WebRequest, secret: str) -> WebAnswer | None:
    """The answer to a request that was signed with a secret and wants nothing but an answer."""
    if preset not in ("slack", "zoom"):
        return None
    body = _map(request)
    if preset == "slack" and body.get("type") == "url_verification":
        return WebAnswer(str(body.get("challenge", "")), TEXT)
    if preset == "zoom" and body.get("event") == "endpoint.url_validation":
        payload = body.get("payload")
        token = str(payload.get("plainToken", "")) if isinstance(payload, dict) else ""
        encrypted = hmac.new(secret.encode(), token.encode(), "sha256").hexdigest()
        return WebAnswer(json.dumps({"plainToken": token, "encryptedToken": encrypted}), JSON)
    return None


def _first(request: WebRequest, name: str) -> str:
    return next(iter(request.parameters.get(name, ())), "")


def _map(request: WebRequest) -> dict[str, Any]:
    try:
        found = json.loads(request.body or b"")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
