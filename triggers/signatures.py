"""Signatures of webhook requests: who sent the bytes, and when."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from engine.errors import Unsigned
from engine.plugin import Verified
from engine.plugin.duration import Duration

Algorithm = Literal["sha1", "sha256", "sha512"]
Encoding = Literal["hex", "base64"]
Preset = Literal[
    "github", "gitlab", "bitbucket", "stripe", "slack", "shopify", "meta", "zoom", "linear", "standard", "svix"
]
BODY = "{body}"
WHSEC = "whsec_"
FIVE_MINUTES = 300_000
# Whatever is wrong, whoever guesses learns nothing.
WRONG = "the request is not signed as it must be"
STALE = "stale: the request was signed too long ago, or the clocks differ"


class Scheme(NamedTuple):
    """How requests are signed.

    header: what holds the signature, behind a prefix; it may be several ones, `v1,…` between spaces or `v1=…` between
        commas with the time as `t=…`
    payload: what is signed: `{body}`, with `{timestamp}` and `{id}` where they are
    timestamp, id: the headers that hold them
    token: the header holds the secret itself
    """

    header: str
    prefix: str = ""
    encoding: Encoding = "hex"
    payload: str = BODY
    timestamp: str | None = None
    id: str | None = None
    algorithm: Algorithm = "sha256"
    several: Literal["", "pairs", "spaced"] = ""
    token: bool = False


STANDARD = "{id}.{timestamp}.{body}"
PRESETS: Mapping[str, Scheme] = {
    "github": Scheme("x-hub-signature-256", "sha256=", id="x-github-delivery"),
    "gitlab": Scheme("x-gitlab-token", id="x-gitlab-event-uuid", token=True),
    "bitbucket": Scheme("x-hub-signature", "sha256=", id="x-request-uuid"),
    "stripe": Scheme("stripe-signature", payload="{timestamp}.{body}", several="pairs"),
    "slack": Scheme("x-slack-signature", "v0=", payload="v0:{timestamp}:{body}", timestamp="x-slack-request-timestamp"),
    "shopify": Scheme("x-shopify-hmac-sha256", encoding="base64", id="x-shopify-webhook-id"),
    "meta": Scheme("x-hub-signature-256", "sha256="),
    "zoom": Scheme("x-zm-signature", "v0=", payload="v0:{timestamp}:{body}", timestamp="x-zm-request-timestamp"),
    "linear": Scheme("linear-signature", id="linear-delivery"),
    "standard": Scheme(
        "webhook-signature", "v1,", "base64", STANDARD, "webhook-timestamp", "webhook-id", several="spaced"
    ),
    "svix": Scheme("svix-signature", "v1,", "base64", STANDARD, "svix-timestamp", "svix-id", several="spaced"),
}


class Signature(BaseModel):
    """How the requests of a webhook are signed."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    preset: Preset | None = Field(None, description="Whose requests they are; the rest is known then.")
    type: Literal["hmac"] = Field("hmac", description="The sort of signature.")
    secret: str | None = Field(None, description="What requests are signed with.")
    secrets: dict[str, str] = Field({}, description="Several of them by name, any of which may be used.")
    header: str | None = Field(None, description="The header that holds the signature.")
    prefix: str = Field("", description="What stands before the signature there.")
    algorithm: Algorithm = Field("sha256", description="The hash of the HMAC.")
    encoding: Encoding = Field("hex", description="How the signature is written.")
    payload: str = Field(BODY, description="What is signed: {body}, with {timestamp} and {id}.")
    timestamp_header: str | None = Field(None, description="The header that holds the time, in seconds.")
    id_header: str | None = Field(None, description="The header that names the request.")
    tolerance: Duration = Field(FIVE_MINUTES, description="How far the time may be from now.")

    @model_validator(mode="after")
    def _fit_together(self) -> Signature:
        if (self.preset is None) is (self.header is None):
            raise ValueError("a signature has either a preset or a header")
        if (self.secret is None) is not bool(self.secrets):
            raise ValueError("a signature has either a secret or some secrets")
        if self.preset is None and self.payload.count(BODY) != 1:
            raise ValueError("'payload' must hold {body} once")
        return self

    @property
    def keys(self) -> Mapping[str, str]:
        """The secrets by name."""
        return self.secrets or {"secret": self.secret or ""}

    @property
    def scheme(self) -> Scheme:
        if self.preset is not None:
            return PRESETS[self.preset]
        assert self.header is not None
        return Scheme(
            header=self.header.lower(),
            prefix=self.prefix,
            encoding=self.encoding,
            payload=self.payload,
            timestamp=None if self.timestamp_header is None else self.timestamp_header.lower(),
            id=None if self.id_header is None else self.id_header.lower(),
            algorithm=self.algorithm,
        )


class Verifier:
    """Looks at one request while its body comes in."""

    def __init__(
        self, signature: Signature, secrets: Mapping[str, str], headers: Mapping[str, list[str]], now: int
    ) -> None:
        """`secrets` are those of the signature, rendered; `headers` by their names in lower case."""
        self._scheme = scheme = signature.scheme
        given = _single(headers, scheme.header)
        timestamp = None if scheme.timestamp is None else _single(headers, scheme.timestamp)
        self._id = None if scheme.id is None or scheme.id not in headers else _single(headers, scheme.id)
        self._given, self._timestamp = _signatures(scheme, given, timestamp)
        if self._timestamp is not None:
            _check_time(self._timestamp, now, signature.tolerance)
        head, _, self._tail = scheme.payload.partition(BODY)
        begun = self._filled(head)
        self._macs = {name: hmac.new(_key(scheme, it), begun, scheme.algorithm) for name, it in secrets.items()}
        self._secrets = dict(secrets)

    def update(self, chunk: bytes) -> None:
        """Take in the next bytes of the body."""
        for mac in self._macs.values():
            mac.update(chunk)

    def verdict(self) -> Verified:
        """By which secret it was signed. Raises Unsigned."""
        found: Verified | None = None
        for name, mac in self._macs.items():
            mac.update(self._filled(self._tail))
            digest = mac.digest()
            expected = self._secrets[name].encode() if self._scheme.token else self._written(digest)
            # All are compared, so that the time says nothing.
            for given in self._given:
                if hmac.compare_digest(expected, given.encode(errors="replace")):
                    # Without a time two requests may well have the same signature.
                    found = Verified(name, self._id or (digest.hex() if self._timestamp is not None else None))
        if found is None:
            raise Unsigned(WRONG)
        return found

    def _filled(self, text: str) -> bytes:
        return text.replace("{timestamp}", self._timestamp or "").replace("{id}", self._id or "").encode()

    def _written(self, digest: bytes) -> bytes:
        return digest.hex().encode() if self._scheme.encoding == "hex" else b64encode(digest)


def _single(headers: Mapping[str, list[str]], name: str) -> str:
    values = headers.get(name, [])
    if len(values) != 1 or not values[0]:
        raise Unsigned(WRONG)
    return values[0]


def _signatures(scheme: Scheme, given: str, timestamp: str | None) -> tuple[list[str], str | None]:
    """The signatures that a header holds, and the time that was signed."""
    if scheme.several == "pairs":
        pairs = [item.strip().partition("=") for item in given.split(",")]
        times = [value for name, _, value in pairs if name == "t"]
        if len(times) != 1:
            raise Unsigned(WRONG)
        return [value for name, _, value in pairs if name == "v1"], times[0]
    parts = given.split(" ") if scheme.several == "spaced" else [given]
    return [part.removeprefix(scheme.prefix) for part in parts if part.startswith(scheme.prefix)], timestamp


def _check_time(timestamp: str, now: int, tolerance: int) -> None:
    if not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > 12:
        raise Unsigned(WRONG)
    if abs(now - int(timestamp) * 1000) > tolerance:
        raise Unsigned(STALE)


def _key(scheme: Scheme, secret: str) -> bytes:
    """The bytes of a secret; those of Standard Webhooks are written in base64."""
    if scheme.payload == STANDARD:
        try:
            return b64decode(secret.removeprefix(WHSEC), validate=True)
        except ValueError:
            return secret.encode()
    return secret.encode()
