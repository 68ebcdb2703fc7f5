"""What starts executions by HTTP requests."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from pydantic import Field

from engine.plugin.base import Trigger


class WebRequest(NamedTuple):
    """A request that came for a trigger.

    path: what stands in the address behind the key
    headers, parameters: all values by name; a header also by its name in lower case, none that carried the key
    body: as it was received; None where it was stored as the file `uri`
    """

    method: str
    headers: Mapping[str, list[str]]
    parameters: Mapping[str, list[str]]
    body: bytes | None = b""
    uri: str | None = None
    path: str | None = None


class WebAnswer(NamedTuple):
    """What a request is answered with that starts nothing."""

    text: str
    content_type: str


class Verified(NamedTuple):
    """A request that was signed by one of the secrets. `name`: tells it from all others, where the signature does."""

    secret: str
    name: str | None


class Verifier(Protocol):
    """Looks at the signature of one request while its body comes in."""

    def update(self, chunk: bytes) -> None:
        """Take in the next bytes of the body."""
        ...

    def verdict(self) -> Verified:
        """After the body. Raises Unsigned."""
        ...


class WebTrigger(Trigger):
    """A trigger that requests to an address with a key start; what it has here is how they are answered."""

    starts: ClassVar[bool] = True

    key: str = Field(min_length=1, max_length=256, description="Secret part of the address.")
    wait: bool = Field(False, description="Whether the answer waits for the end of the execution.")
    return_outputs: bool = Field(False, description="Whether the answer is the outputs of the flow; needs `wait`.")
    response_content_type: Literal["application/json", "text/plain"] | None = Field(
        None, description="Content type of the answer."
    )
    response_code: int | str | None = Field(None, description="Status of the answer, or an expression that gives it.")
    fetch_type: Literal["FETCH", "STORE"] = Field(
        "FETCH", description="Whether the body is `trigger.body`, or a file with the URI `trigger.uri`."
    )
    idempotency_key: str | None = Field(
        None, description="Expression that names a request: a second one of the same name starts nothing."
    )

    def secrets(self) -> Mapping[str, str]:
        """What requests are signed with, by name, not rendered yet; none: they need no signature."""
        return {}

    def verifier(self, secrets: Mapping[str, str], request: WebRequest, now: int) -> Verifier:
        """Looks at the signature of a request, with the secrets rendered; `now` in milliseconds. Raises Unsigned."""
        raise NotImplementedError

    def greeting(self, request: WebRequest, secrets: Mapping[str, str], signed_by: str | None) -> WebAnswer | None:
        """The answer to a request by which a sender asks whether the address is wanted; None where it is no such one.

        signed_by: the secret, by its name, that it was signed with; None before the signature is looked at
        Raises Unsigned.
        """
        return None

    @abstractmethod
    def variables(self, request: WebRequest) -> dict[str, Any]:
        """What expressions see as `trigger.*`."""
