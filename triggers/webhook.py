"""Webhooks: executions started by HTTP requests."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, field_validator

from engine.plugin import WebAnswer, WebRequest, WebTrigger
from engine.plugin.aliases import ALIASES
from triggers.handshakes import after, before
from triggers.signatures import Signature, Verifier

MULTIPLE = "core.condition.MultipleCondition"


class Webhook(WebTrigger):
    """Start an execution for each request to an address with a key."""

    auth: Signature | None = Field(None, description="How requests are signed, where they must be.")

    @field_validator("response_code")
    @classmethod
    def _is_status(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, int) and not 100 <= value <= 599:
            raise ValueError("must be a status between 100 and 599")
        return value

    @classmethod
    def diagnose(cls, raw: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """A condition on several executions can't be asked of one request."""
        conditions = raw.get("conditions")
        for place, item in enumerate(conditions if isinstance(conditions, list) else ()):
            type = item.get("type") if isinstance(item, dict) else None
            if isinstance(type, str) and ALIASES.get(type, type).endswith(MULTIPLE):
                text = "invalid webhook: conditions of type MultipleCondition are not supported"
                yield ("conditions", place), text

    def secrets(self) -> Mapping[str, str]:
        """What requests are signed with."""
        return {} if self.auth is None else self.auth.keys

    def verifier(self, secrets: Mapping[str, str], request: WebRequest, now: int) -> Verifier:
        """Looks at the signature of a request."""
        assert self.auth is not None
        return Verifier(self.auth, secrets, request.headers, now)

    def greeting(self, request: WebRequest, secrets: Mapping[str, str], signed_by: str | None) -> WebAnswer | None:
        """What senders want to hear before they send anything."""
        preset = None if self.auth is None else self.auth.preset
        return before(preset, request, secrets) if signed_by is None else after(preset, request, secrets[signed_by])

    def variables(self, request: WebRequest) -> dict[str, Any]:
        """The body, headers and parameters."""
        found: dict[str, Any] = {"headers": dict(request.headers), "parameters": dict(request.parameters)}
        if request.uri is not None:
            found["uri"] = request.uri
        elif request.body:
            found["body"] = readable(request.body)
        if request.path is not None:
            found["path"] = request.path
        return found


def readable(body: bytes) -> Any:
    """A body as expressions see it: JSON of a map or a list as such, other text as it is, anything else in base64."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return b64encode(body).decode("ascii")
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text
