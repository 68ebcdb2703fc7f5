"""HTTP requests."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Context, TaskError, parse_duration
from engine.plugin import Trigger as Starter
from plugins.core.http.call import Options, answered, headers_of
from plugins.core.http.calling import Called
from plugins.core.http.calling import Calling as _Calling
from plugins.core.http.sse import SseRequest as SseRequest

LONGEST_INTERVAL = 366 * 24 * 3600 * 1000
UNFIT = re.compile(r"""[/\\\0:*?"<>|]""")


class Response(BaseModel):
    """What Request gives."""

    model_config = ConfigDict(defer_build=True, alias_generator=to_camel, populate_by_name=True)

    uri: str = Field(description="Address that answered, after redirects.")
    code: int = Field(description="Status code.")
    headers: dict[str, list[str]] = Field(description="Response headers, each with its values.")
    body: str | None = Field(default=None, description="Body as text; read JSON with `fromJson()` or `jq`.")
    encrypted_body: dict[str, Any] | None = Field(
        default=None, description="Body, encrypted at rest, when `encryptBody` is set."
    )


class Request(Called):
    """Call an HTTP API and keep the answer as text. Use Download for files."""

    encrypt_body: bool = Field(default=False, description="Keep the body encrypted, as `encryptedBody`.")

    async def run(self, ctx: Context) -> Response:
        async with answered(ctx, self.call()) as response:
            options = self.options or Options()
            limit = options.max_content_length or ctx.settings.http.body_bytes
            content = await _limited(response.content.iter_any(), limit)
            self.measure(ctx, len(content), response.status)
            body = _text(content, response.charset or options.default_charset)
            return Response(
                uri=str(response.url),
                code=response.status,
                headers=headers_of(response),
                body=None if self.encrypt_body else body,
                encrypted_body=ctx.seal(body) if self.encrypt_body else None,
            )


class Downloaded(BaseModel):
    """What Download gives."""

    uri: str = Field(description="The file in internal storage.")
    code: int = Field(description="Status code.")
    length: int = Field(description="Size in bytes.")
    headers: dict[str, list[str]] = Field(description="Response headers, each with its values.")


class Download(Called):
    """Download a file to internal storage."""

    fail_on_empty_response: bool = Field(default=True, description="Whether an empty answer fails the task.")
    save_as: str | None = Field(default=None, description="Name of the file; by default as server or address say.")

    async def run(self, ctx: Context) -> Downloaded:
        async with answered(ctx, self.call()) as response:
            expected = response.content_length if "Content-Encoding" not in response.headers else None
            length = 0

            async def counted() -> AsyncIterator[bytes]:
                nonlocal length
                async for chunk in response.content.iter_chunked(256 * 1024):
                    length += len(chunk)
                    yield chunk
                if expected is not None and length != expected and self.method.upper() != "HEAD":
                    raise TaskError(f"Invalid size, got {length}, expected {expected}")
                if length == 0 and self.fail_on_empty_response:
                    raise TaskError("No response from server")

            uri = await ctx.files.put(self.save_as or _name(response), counted())
            self.measure(ctx, length, response.status)
            return Downloaded(uri=uri, code=response.status, length=length, headers=headers_of(response))


async def _limited(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > limit:
            raise TaskError(
                f"The response is larger than {limit} bytes: use core.http.Download, which stores it, or allow more "
                "with options.maxContentLength"
            )
        await anyio.lowlevel.checkpoint()
    return bytes(content)


def _text(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset)
    except (UnicodeDecodeError, LookupError):
        raise TaskError("The response is not text: use core.http.Download, which stores it as a file") from None


def _name(response: Any) -> str:
    """The name that the answer or its address gives the file."""
    disposition = response.content_disposition
    name = (disposition.filename if disposition else None) or response.url.name
    return UNFIT.sub("-", name).lstrip(".")[-200:] or "download"


def _interval(text: str) -> str:
    if not 0 < parse_duration(text) <= LONGEST_INTERVAL:
        raise ValueError(f"must be longer than zero and at most 366 days, but is '{text}'")
    return text


class Trigger(_Calling, Starter):
    """Ask a URL again and again, and start an execution when the answer is as wanted."""

    interval: Annotated[str, AfterValidator(_interval)] = Field(default="PT1M", description="How often it is asked.")
    response_condition: str = Field(
        default="{{ response.statusCode < 400 }}",
        description="Expression on `response.statusCode`, `response.body` and `response.headers`.",
    )
    encrypt_body: bool = Field(default=False, description="Whether the body is stored encrypted.")
