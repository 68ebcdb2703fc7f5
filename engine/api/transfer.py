"""Files that come in as a part of a form, and files that go out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import anyio
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from engine.api.problems import Illegal
from engine.api.routing import TEXT_BYTES

FORM = "multipart/form-data"
BYTES = "application/octet-stream"
CHUNK = 256 * 1024


@contextmanager
def readable_form() -> Iterator[None]:
    """Raises Illegal for a form that is broken."""
    try:
        yield
    except (ValueError, HttpProcessingError) as error:
        raise Illegal(f"the form can't be read: {error}") from None


async def file_of(request: web.Request, name: str) -> BodyPartReader:
    """The part of a form that has this name. Raises Illegal where there is none."""
    if not request.content_type.startswith("multipart/"):
        raise Illegal(f"a form ({FORM}) with a file called '{name}' is wanted, not {request.content_type}")
    with readable_form():
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, BodyPartReader) and part.name == name:
                return part
    raise Illegal(f"the form has no file called '{name}'")


async def chunks(request: web.Request, part: BodyPartReader) -> AsyncIterator[bytes]:
    """What a part of a form holds. Raises HTTPRequestEntityTooLarge once the form is larger than a body may be."""
    while True:
        with readable_form():
            chunk = await part.read_chunk(CHUNK)
        if not chunk:
            return
        # What the request says of its length may be missing.
        if request.content.total_bytes > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size, request.content.total_bytes)
        yield chunk


async def text_of(request: web.Request, part: BodyPartReader) -> str:
    """A part of a form as text, of at most 16 MiB. Raises Illegal for what is no text."""
    text = bytearray()
    async for chunk in chunks(request, part):
        text += chunk
        if len(text) > TEXT_BYTES:
            raise web.HTTPRequestEntityTooLarge(TEXT_BYTES, len(text))
    try:
        return text.decode(part.get_charset("utf-8"))
    except (UnicodeDecodeError, LookupError) as error:
        raise Illegal(f"the part '{part.name}' of the form is no text: {error}") from None


async def saved(request: web.Request, part: BodyPartReader, path: Path) -> None:
    """Write what a part of a form holds to a local file."""
    async with await anyio.open_file(path, "wb") as file:
        async for chunk in chunks(request, part):
            await file.write(chunk)


async def sent(
    request: web.Request,
    content: AsyncIterator[bytes] | Path,
    name: str,
    content_type: str = BYTES,
    *,
    size: int | None = None,
) -> web.StreamResponse:
    """Answer with a file to be saved under this name; `size` in bytes where it is known."""
    response = web.StreamResponse(headers={"Content-Disposition": disposition(name)})
    response.content_type = content_type
    if isinstance(content, Path):
        size = (await anyio.Path(content).stat()).st_size
        content = _read(content)
    if size is not None:
        response.content_length = size
    await response.prepare(request)
    async for chunk in content:
        await response.write(chunk)
    await response.write_eof()
    return response


def disposition(name: str) -> str:
    """The header that has a browser save a file under this name and never show it."""
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


async def _read(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while chunk := await file.read(CHUNK):
            yield chunk
