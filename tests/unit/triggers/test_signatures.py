"""Signatures of webhooks, with the vectors that their senders publish."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from pydantic import ValidationError

from engine.errors import Unsigned
from engine.plugin import Verified
from triggers.signatures import PRESETS, Signature, Verifier

SLACK = (
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    "&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    "%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121"
    ".803a0bc887a14d10d2c447fce8b6703c"
)
NOW = 1_700_000_000


def verdict(signature: dict[str, Any], headers: dict[str, str], body: bytes, now: int = NOW, cut: int = 5) -> Verified:
    read = Signature.model_validate(signature)
    verifier = Verifier(read, read.keys, {name: [value] for name, value in headers.items()}, now * 1000)
    for begin in range(0, len(body), cut):
        verifier.update(body[begin : begin + cut])
    return verifier.verdict()


def signed(secret: str, text: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), text, algorithm).hexdigest()


@pytest.mark.parametrize(
    ("preset", "secret", "headers", "body", "now"),
    [
        (
            "github",
            "It's a Secret to Everybody",
            {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
            "Hello, World!",
            NOW,
        ),
        (
            "slack",
            "8f742231b10e8888abcd99yyyzzz85a5",
            {
                "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
                "x-slack-request-timestamp": "1531420618",
            },
            SLACK,
            1_531_420_620,
        ),
        (
            "standard",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            {
                "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "webhook-timestamp": "1614265330",
                "webhook-signature": "v1,bm9ldHUjKzFob2VudXRob2VodWUzMjRvdWVvdW9ldQo= "
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            },
            '{"test": 2432232314}',
            1_614_265_331,
        ),
        ("gitlab", "token", {"x-gitlab-token": "token"}, "{}", NOW),
    ],
)
def test_wh_07_what_senders_publish(preset: str, secret: str, headers: dict[str, str], body: str, now: int) -> None:
    signature = {"preset": preset, "secret": secret}
    assert verdict(signature, headers, body.encode(), now).secret == "secret"
    with pytest.raises(Unsigned, match="the request is not signed as it must be"):
        verdict({**signature, "secret": f"{secret}x"}, headers, body.encode(), now)
    if preset != "gitlab":
        with pytest.raises(Unsigned):
            verdict(signature, headers, body.encode() + b" ", now)


def test_wh_07_a_time_among_pairs_with_several_signatures() -> None:
    good = signed("new", f"{NOW}.body".encode())
    headers = {"stripe-signature": f"t={NOW},v1={'0' * 64},v1={good},v0=ignored"}
    found = verdict({"preset": "stripe", "secrets": {"old": "old", "new": "new"}}, headers, b"body")
    assert found.secret == "new"
    # What else stands in the header changes nothing of what the request is called.
    again = verdict({"preset": "stripe", "secret": "new"}, {"stripe-signature": f"t={NOW},v1={good}"}, b"body")
    assert found.name == again.name is not None


@pytest.mark.parametrize("shift", [-301, 301])
def test_wh_10_a_time_too_far_from_now_is_stale(shift: int) -> None:
    headers = {"stripe-signature": f"t={NOW},v1={signed('s', f'{NOW}.x'.encode())}"}
    signature = {"preset": "stripe", "secret": "s"}
    assert verdict(signature, headers, b"x", NOW + shift // 2)
    with pytest.raises(Unsigned, match="stale"):
        verdict(signature, headers, b"x", NOW + shift)
    assert verdict({**signature, "tolerance": "PT10M"}, headers, b"x", NOW + shift)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_wh_06_a_scheme_of_one_s_own(algorithm: str) -> None:
    signature = {"header": "X-Sign", "prefix": "sig:", "algorithm": algorithm, "secret": "s", "payload": "<{body}>"}
    assert verdict(signature, {"x-sign": f"sig:{signed('s', b'<abc>', algorithm)}"}, b"abc").name is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": "sha256="},
        {"x-hub-signature-256": "sha1=757107ea"},
        {"x-hub-signature-256": f"sha256={hashlib.sha256(b'x').hexdigest()}"},
        {"x-hub-signature-256": "sha256=\udcff"},
    ],
)
def test_wh_08_whatever_is_wrong_is_told_in_the_same_words(headers: dict[str, str]) -> None:
    with pytest.raises(Unsigned) as caught:
        verdict({"preset": "github", "secret": "s"}, headers, b"x")
    assert str(caught.value) == "the request is not signed as it must be"


def test_wh_08_a_header_that_comes_twice_is_wrong() -> None:
    signature = Signature.model_validate({"preset": "gitlab", "secret": "s"})
    with pytest.raises(Unsigned):
        Verifier(signature, signature.keys, {"x-gitlab-token": ["s", "s"]}, NOW)


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        ({"secret": "s"}, "either a preset or a header"),
        ({"preset": "github", "header": "x", "secret": "s"}, "either a preset or a header"),
        ({"preset": "github"}, "either a secret or some secrets"),
        ({"header": "x", "secret": "s", "payload": "x"}, "'payload' must hold {body} once"),
        ({"preset": "none", "secret": "s"}, "github"),
    ],
)
def test_what_is_no_signature_is_refused(signature: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Signature.model_validate(signature)


def test_presets_name_headers_as_they_are_looked_up() -> None:
    names = [name for it in PRESETS.values() for name in (it.header, it.timestamp, it.id) if name]
    assert names == [name.lower() for name in names]
