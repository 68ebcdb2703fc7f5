"""Items of data files, a line each, with what an expression makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio.lowlevel

from engine.plugin import Context, TaskError, monotonic, read_record

# How long items may follow one another before others get their turn.
TURN_SECONDS = 0.005
CHUNK_BYTES = 256 * 1024
LONGEST_LINE = 64 * 1024 * 1024


async def lines_of(ctx: Context, uri: str) -> AsyncIterator[bytes]:
    """The lines of a file, without line breaks and empty ones. Raises TaskError for one that is too long."""
    rest = b""
    async for chunk in ctx.files.read(uri):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > LONGEST_LINE:
            raise TaskError(f"The file '{uri}' has a line of more than {LONGEST_LINE} bytes")
    if rest.strip():
        yield rest


async def gathered(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines as chunks that are worth a write."""
    chunk = bytearray()
    async for line in lines:
        chunk += line
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


async def items_of(ctx: Context, uri: str) -> AsyncIterator[tuple[bytes, Mapping[str, Any]]]:
    """Each line and the map that it holds. Raises TaskError for a line that holds none."""
    number = 0
    turn = monotonic()
    async for line in lines_of(ctx, uri):
        number += 1
        try:
            item = read_record(line)
        except TaskError as error:
            raise TaskError(f"Line {number} of the file '{uri}': {error}") from None
        if not isinstance(item, dict):
            raise TaskError(f"Line {number} of the file '{uri}' is not a map, so it has no fields to look at")
        yield line, item
        if monotonic() - turn > TURN_SECONDS:
            await anyio.lowlevel.checkpoint()
            turn = monotonic()
