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


async def chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    """What a part of a form holds."""
    while True:
        with readable_form():
            chunk = await part.read_chunk(CHUNK)
        if not chunk:
            return
        yield chunk


async def saved(part: BodyPartReader, path: Path) -> None:
    """Write what a part of a form holds to a local file."""
    async with await anyio.open_file(path, "wb") as file:
        async for chunk in chunks(part):
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
