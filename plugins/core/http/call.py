"""How a request is made: its options, its body, its errors."""

from __future__ import annotations

import json
import mimetypes
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self
from urllib.parse import urlencode, urlsplit

import anyio
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Context, TaskError, parse_duration

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

READ_SECONDS = 300.0
CONNECT_SECONDS = 30.0
SHOWN_BODY = 2_000
MULTIPART = "multipart/form-data"
INTERNAL = "kestra://"


class Part(BaseModel):
    """A group of options."""

    model_config = ConfigDict(defer_build=True, alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Timeout(Part):
    """How long to wait."""

    connect_timeout: str | None = Field(default=None, description="For the connection; 30 seconds if not given.")
    read_idle_timeout: str | None = Field(default=None, description="For the next bytes; 5 minutes if not given.")


class Proxy(Part):
    """A proxy to go through."""

    type: Literal["DIRECT", "HTTP", "SOCKS"] = "DIRECT"
    address: str | None = None
    port: int | None = None
    username: str | None = None
    password: str | None = None


class Auth(Part):
    """Who asks."""

    type: Literal["BASIC", "BEARER"]
    username: str | None = None
    password: str | None = None
    token: str | None = None


class Ssl(Part):
    """TLS."""

    insecure_trust_all_certificates: bool = False


class Options(Part):
    """How the request is made."""

    timeout: Timeout | None = None
    proxy: Proxy | None = None
    auth: Auth | None = None
    ssl: Ssl | None = None
    follow_redirects: bool = True
    allow_failed: bool = False
    allowed_response_codes: list[int] | None = None
    default_charset: str = "UTF-8"
    logs: list[Literal["REQUEST_HEADERS", "REQUEST_BODY", "RESPONSE_HEADERS", "RESPONSE_BODY"]] | None = None
    connect_timeout: str | None = None
    read_timeout: str | None = None
    read_idle_timeout: str | None = None
    connection_pool_idle_timeout: str | None = None
    enabled_tcp_extended_keep_alive: bool | None = None
    max_content_length: int | None = None
    proxy_type: Literal["DIRECT", "HTTP", "SOCKS"] | None = None
    proxy_address: str | None = None
    proxy_port: int | None = None
    proxy_username: str | None = None
    proxy_password: str | None = None
    basic_auth_user: str | None = None
    basic_auth_password: str | None = None
    log_level: str | None = None

    def trusting(self) -> Self:
        """The same, trusting every certificate."""
        return self.model_copy(update={"ssl": Ssl(insecure_trust_all_certificates=True)})

    def authorization(self) -> Auth | None:
        if self.auth is not None or self.basic_auth_user is None:
            return self.auth
        return Auth(type="BASIC", username=self.basic_auth_user, password=self.basic_auth_password)

    def way(self) -> Proxy | None:
        """The proxy, wherever it was written."""
        if self.proxy is not None:
            return self.proxy
        if self.proxy_address is None:
            return None
        return Proxy(
            type=self.proxy_type or "HTTP",
            address=self.proxy_address,
            port=self.proxy_port,
            username=self.proxy_username,
            password=self.proxy_password,
        )


class Call(NamedTuple):
    """A request."""

    uri: str
    method: str
    params: Mapping[str, Any]
    headers: Mapping[str, Any]
    body: str | None
    form: Mapping[str, Any] | None
    content_type: str | None
    options: Options
    allow_failed: bool

    @property
    def named(self) -> str:
        """The call in a message: without query and password."""
        parts = urlsplit(self.uri)
        return f"{self.method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@asynccontextmanager
async def answered(ctx: Context, call: Call) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to a call, whose body is still to be read. Raises TaskError for whatever goes wrong."""
    import aiohttp

    async with AsyncExitStack() as stack:
        headers, data = await _content(ctx, call, stack)
        _log(ctx, call, "REQUEST_HEADERS", _shown(headers))
        try:
            async with ctx.http().request(
                call.method,
                _address(call),
                headers=headers,
                data=data,
                allow_redirects=call.options.follow_redirects,
                timeout=_timeout(call.options),
                raise_for_status=False,
                **_connection(call.options),
            ) as response:
                _log(ctx, call, "RESPONSE_HEADERS", _shown(response.headers))
                if not _accepted(call, response.status):
                    await _refuse(call, response)
                yield response
        except TimeoutError:
            raise TaskError(f"{call.named} did not answer in time, see options.timeout") from None
        except aiohttp.ClientError as error:
            raise TaskError(f"{call.named} failed: {str(error) or type(error).__name__}") from None


def _accepted(call: Call, status: int) -> bool:
    if call.options.allowed_response_codes:
        return status in call.options.allowed_response_codes
    return status < 400 or call.allow_failed


async def _refuse(call: Call, response: aiohttp.ClientResponse) -> None:
    """Fail with the beginning of an answer; its status and headers stay as outputs."""
    text = (await response.content.read(SHOWN_BODY)).decode("utf-8", "replace").strip()
    outputs = {"uri": str(response.url), "code": response.status, "headers": headers_of(response), "body": text}
    raise TaskError(
        f"{call.named} failed with response code {response.status}" + (f": {text}" if text else ""), outputs=outputs
    )


def headers_of(response: aiohttp.ClientResponse) -> dict[str, list[str]]:
    """Header values by lower-case name."""
    found: dict[str, list[str]] = {}
    for name, value in response.headers.items():
        found.setdefault(name.lower(), []).append(value)
    return found


def _address(call: Call) -> URL:
    """The address with the parameters added to those it has."""
    from yarl import URL

    try:
        address = URL(call.uri.strip())
    except ValueError as error:
        raise TaskError(f"uri: '{call.uri}' is not an address: {error}") from None
    if address.scheme not in ("http", "https") or not address.host:
        raise TaskError(f"uri: '{call.uri}' is not an http or https address")
    more = _params(call.params)
    return address.with_query([*address.query.items(), *more]) if more else address


def _params(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, str(value))
        for name, values in params.items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    ]


async def _content(ctx: Context, call: Call, stack: AsyncExitStack) -> tuple[dict[str, str], Any]:
    """Headers and body; files that the body is made of are open until the stack is closed."""
    headers = {name: str(value) for name, value in call.headers.items() if value is not None}
    given = {name.lower() for name in headers}
    if (authorization := call.options.authorization()) is not None and "authorization" not in given:
        headers["Authorization"] = _credentials(authorization)
    if call.form is not None and call.content_type == MULTIPART:
        return headers, await _multipart(ctx, call.form, stack)
    if "content-type" not in given and (type := _content_type(call)):
        headers["Content-Type"] = type
    if call.form is not None:
        return headers, urlencode(_params(call.form)).encode()
    _log(ctx, call, "REQUEST_BODY", call.body or "")
    return headers, None if call.body is None else call.body.encode()


def _credentials(authorization: Auth) -> str:
    if authorization.type == "BEARER":
        return f"Bearer {authorization.token}"
    pair = f"{authorization.username or ''}:{authorization.password or ''}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def _content_type(call: Call) -> str | None:
    if call.form is not None:
        return "application/x-www-form-urlencoded"
    if call.content_type or call.body is None:
        return call.content_type
    return "application/json" if call.body.lstrip()[:1] in ("{", "[") else "text/plain; charset=utf-8"


async def _multipart(ctx: Context, form: Mapping[str, Any], stack: AsyncExitStack) -> aiohttp.FormData:
    import aiohttp

    data = aiohttp.FormData(default_to_multipart=True)
    for number, (name, value) in enumerate(form.items()):
        file_name, content = _file(value)
        if isinstance(content, str) and content.startswith(INTERNAL):
            local = ctx.folder.path / ".upload" / str(number)
            await ctx.files.fetch(content, local)
            opened = await stack.enter_async_context(await anyio.open_file(local, "rb"))
            file_name = file_name or PurePosixPath(content).name
            type = mimetypes.guess_type(file_name)[0] or "application/octet-stream"
            data.add_field(name, opened.wrapped, filename=file_name, content_type=type)
        else:
            data.add_field(name, content if isinstance(content, str) else json.dumps(content), filename=file_name)
    return data


def _file(value: Any) -> tuple[str | None, Any]:
    """File name and content of a part; no name for one that is no file."""
    if isinstance(value, Mapping) and set(value) == {"name", "content"}:
        return str(value["name"]), value["content"]
    return None, value


def _timeout(options: Options) -> aiohttp.ClientTimeout:
    import aiohttp

    given = options.timeout or Timeout()
    connect = given.connect_timeout or options.connect_timeout
    read = given.read_idle_timeout or options.read_idle_timeout or options.read_timeout
    return aiohttp.ClientTimeout(
        total=None,
        sock_connect=_seconds("connectTimeout", connect, CONNECT_SECONDS),
        sock_read=_seconds("readIdleTimeout", read, READ_SECONDS),
    )


def _seconds(name: str, text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        return parse_duration(text) / 1000
    except ValueError as error:
        raise TaskError(f"options.timeout.{name}: {error}") from None


def _connection(options: Options) -> dict[str, Any]:
    """Proxy and TLS as the client takes them."""
    from yarl import URL

    found: dict[str, Any] = {}
    if options.ssl is not None and options.ssl.insecure_trust_all_certificates:
        found["ssl"] = False
    way = options.way()
    if way is None or way.type == "DIRECT":
        return found
    if way.type == "SOCKS":
        raise TaskError("options.proxy.type: SOCKS proxies are not supported, use an HTTP proxy")
    if not way.address:
        raise TaskError("options.proxy: a proxy needs an address")
    found["proxy"] = URL.build(
        scheme="http", host=way.address, port=way.port or 3128, user=way.username, password=way.password
    )
    return found


def _log(ctx: Context, call: Call, what: str, text: str) -> None:
    if what in (call.options.logs or ()):
        ctx.log(f"{what.replace('_', ' ').capitalize()}: {text}", "INFO")


def _shown(headers: Mapping[str, str]) -> str:
    """Headers for the log, what authorizes left out."""
    hidden = {"authorization", "proxy-authorization", "cookie", "set-cookie"}
    return ", ".join(f"{name}: {'******' if name.lower() in hidden else value}" for name, value in headers.items())
