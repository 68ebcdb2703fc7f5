"""Webhooks: executions started by HTTP requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from engine.plugin import Trigger
from engine.plugin.aliases import ALIASES

MULTIPLE = "core.condition.MultipleCondition"


class Webhook(Trigger):
    """Start an execution for each request to an address with a key."""

    key: str = Field(min_length=1, max_length=256, description="Secret part of the address.")
    wait: bool = Field(False, description="Whether the answer waits for the end of the execution.")
    return_outputs: bool = Field(False, description="Whether the answer is the outputs of the flow; needs `wait`.")
    response_content_type: Literal["application/json", "text/plain"] | None = Field(
        None, description="Content type of the answer."
    )
    response_code: int | None = Field(None, ge=100, le=599, description="Status of the answer.")
    fetch_type: Literal["FETCH", "STORE"] = Field(
        "FETCH", description="Whether the body is `trigger.body`, or a file with the URI `trigger.uri`."
    )

    @classmethod
    def diagnose(cls, raw: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """A condition on several executions can't be asked of one request."""
        conditions = raw.get("conditions")
        for place, item in enumerate(conditions if isinstance(conditions, list) else ()):
            type = item.get("type") if isinstance(item, dict) else None
            if isinstance(type, str) and ALIASES.get(type, type).endswith(MULTIPLE):
                text = "invalid webhook: conditions of type MultipleCondition are not supported"
                yield ("conditions", place), text
