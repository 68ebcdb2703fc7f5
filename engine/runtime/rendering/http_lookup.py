"""The HTTP requests of templates: `http(…)`."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from engine.expressions.needs import Missing

if TYPE_CHECKING:
    import aiohttp

MOST_BYTES = 10 * 1024 * 1024
SECONDS = 30.0
FAILED = "Failed to execute HTTP Request"


class _Auth(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    username: str = ""
    password: str = ""
    token: str = ""


class _Options(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    auth: _Auth | None = None
    follow_redirects: bool = True
    allow_failed: bool = False


async def ask(
    method: str,
    address: str,
    headers: Sequence[tuple[str, Sequence[str]]],
    content_type: str,
    body: str | None,
    options: str,
) -> Any:
    """The body of the response, parsed where it is JSON; `Missing` where the request fails.

    options: JSON with `auth` (BASIC with `username` and `password`, BEARER with `token`), `followRedirects` (true),
    `allowFailed` (false)
    """
    # Imported here because loading it takes a fifth of a second and few templates need it.
    import aiohttp
    from multidict import CIMultiDict

    try:
        chosen = msgspec.json.decode(options, type=_Options)
    except msgspec.ValidationError as error:
        return Missing(f"The argument 'options' of http is not accepted: {error}")
    sent = CIMultiDict((name, value) for name, values in headers for value in values)
    if body is not None:
        sent["Content-Type"] = content_type
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        if chosen.auth is not None:
            sent["Authorization"] = _authorization(chosen.auth)
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=True, timeout=timeout) as session,
            session.request(
                method,
                address,
                headers=sent,
                data=None if body is None else body.encode(),
                allow_redirects=chosen.follow_redirects,
            ) as response,
        ):
            return await _answer(response, chosen.allow_failed)
    except TimeoutError:
        return Missing(f"{FAILED}: no answer from {address} within {SECONDS:g} s")
    except (aiohttp.ClientError, ValueError) as error:
        return Missing(f"{FAILED}: {error}")


def _authorization(auth: _Auth) -> str:
    if auth.type.upper() == "BEARER":
        return f"Bearer {auth.token}"
    if auth.type.upper() == "BASIC":
        return f"Basic {base64.b64encode(f'{auth.username}:{auth.password}'.encode()).decode()}"
    raise ValueError(f"'{auth.type}' is no type of authentication: use BASIC or BEARER")


async def _answer(response: aiohttp.ClientResponse, allow_failed: bool) -> Any:
    if response.status >= 400 and not allow_failed:
        return Missing(f"{FAILED}, server respond with status {response.status} : {response.reason}")
    content = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        content += chunk
        if len(content) > MOST_BYTES:
            return Missing(f"{FAILED}: the response has more than {MOST_BYTES} bytes; use the Download task")
    if _is_json(response.headers):
        try:
            return msgspec.json.decode(content) if content else None
        except msgspec.DecodeError as error:
            return Missing(f"{FAILED}: the response is not the JSON that it says it is: {error}")
    return content.decode(response.get_encoding(), errors="replace")


def _is_json(headers: Mapping[str, str]) -> bool:
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
