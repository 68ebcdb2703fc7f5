"""Moves contents between a bucket and internal storage, whatever their size, in little memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import anyio

from engine.plugin import Context, TaskError
from plugins.aws.s3.connection import Client

CHUNK = 1024 * 1024
PART = 16 * 1024 * 1024
PARTS_AT_ONCE = 4
LARGEST_COPY = 5 * 1024**3
COPIED_PART = 1024**3
TRIES = 5
PAUSE_SECONDS = 0.5
SUMS = tuple(f"Checksum{name}" for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"))
UNFIT = frozenset('/\\\0:*?"<>|\n\r\t')


class Content(NamedTuple):
    """An object that is being read: what the store says of it, and its bytes, which are read once."""

    facts: Mapping[str, Any]
    chunks: AsyncIterator[bytes]


async def opened(client: Client, options: Mapping[str, Any]) -> Content:
    """Begin to read an object. However often it breaks off, all is of the one that was there at the beginning."""
    first = await client.get_object(**options)
    return Content(first, _chunks(client, options, first))


async def _chunks(client: Client, options: Mapping[str, Any], first: Mapping[str, Any]) -> AsyncIterator[bytes]:
    from aiohttp import ClientError as Broken
    from botocore.exceptions import HTTPClientError, ReadTimeoutError

    size, done, tries = first["ContentLength"], 0, 0
    answer = first
    while True:
        before = done
        try:
            async with answer["Body"] as body:
                while chunk := await body.read(CHUNK):
                    done += len(chunk)
                    yield chunk
            if done >= size:
                return
        except (Broken, HTTPClientError, ReadTimeoutError, TimeoutError):
            # Told below, when it has broken off too often.
            pass
        tries = 0 if done > before else tries + 1
        if tries >= TRIES:
            raise TaskError(f"s3://{options['Bucket']}/{options['Key']}: it breaks off after {done} of {size} bytes")
        await anyio.sleep(PAUSE_SECONDS * tries)
        answer = await client.get_object(**{**options, "Range": f"bytes={done}-", "IfMatch": first["ETag"]})


async def sent(
    client: Client, chunks: AsyncIterator[bytes], where: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[dict[str, Any], int]:
    """Write an object; in parts where it is large. Returns what the store answers, and the size."""
    parts = _parts(chunks)
    first = await anext(parts, b"")
    second = await anext(parts, None)
    if second is None:
        return await client.put_object(**where, **options, Body=first), len(first)
    # The checksum of the whole is none of a part.
    rest = {name: it for name, it in options.items() if name not in SUMS}
    begun = await client.create_multipart_upload(**where, **rest)
    known = {**where, "UploadId": begun["UploadId"]}
    try:
        etags, size = await _sent_parts(client, known, first, second, parts)
        answer = await client.complete_multipart_upload(
            **known,
            MultipartUpload={"Parts": [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]},
        )
    except BaseException:
        with anyio.CancelScope(shield=True), anyio.move_on_after(PAUSE_SECONDS * 10):
            await client.abort_multipart_upload(**known)
        raise
    return answer, size


async def _sent_parts(
    client: Client, known: Mapping[str, Any], first: bytes, second: bytes, rest: AsyncIterator[bytes]
) -> tuple[dict[int, str], int]:
    etags: dict[int, str] = {}
    size = 0
    room = anyio.Semaphore(PARTS_AT_ONCE)

    async def send(number: int, content: bytes) -> None:
        try:
            answer = await client.upload_part(**known, PartNumber=number, Body=content)
            etags[number] = answer["ETag"]
        finally:
            room.release()

    async with anyio.create_task_group() as tasks:

        async def begin(number: int, content: bytes) -> None:
            nonlocal size
            size += len(content)
            await room.acquire()
            tasks.start_soon(send, number, content)

        await begin(1, first)
        await begin(2, second)
        number = 2
        async for content in rest:
            number += 1
            await begin(number, content)
    return etags, size


async def _parts(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Chunks joined to parts, each but the last one of the same size."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= PART:
            yield bytes(held[:PART])
            del held[:PART]
    if held:
        yield bytes(held)


async def copied(
    client: Client, source: Mapping[str, Any], facts: Mapping[str, Any], target: Mapping[str, Any]
) -> dict[str, Any]:
    """Copy an object within the store, in parts where it is large.

    source: Bucket, Key and maybe VersionId; facts: what the store says of it; target: the options of the request
    """
    size, unchanged = facts["ContentLength"], {"CopySource": dict(source), "CopySourceIfMatch": facts["ETag"]}
    if size <= LARGEST_COPY:
        answer = await client.copy_object(**target, **unchanged)
        return {**answer, "ETag": answer["CopyObjectResult"]["ETag"]}
    kept = {name: facts[name] for name in ("ContentType", "Metadata", "CacheControl") if facts.get(name)}
    begun = await client.create_multipart_upload(**target, **kept)
    known = {"Bucket": target["Bucket"], "Key": target["Key"], "UploadId": begun["UploadId"]}
    parts = []
    try:
        for number, start in enumerate(range(0, size, COPIED_PART), start=1):
            span = f"bytes={start}-{min(start + COPIED_PART, size) - 1}"
            answer = await client.upload_part_copy(**known, **unchanged, PartNumber=number, CopySourceRange=span)
            parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
        return dict(await client.complete_multipart_upload(**known, MultipartUpload={"Parts": parts}))
    except BaseException:
        with anyio.CancelScope(shield=True), anyio.move_on_after(PAUSE_SECONDS * 10):
            await client.abort_multipart_upload(**known)
        raise


async def stored(ctx: Context, content: Content, key: str, number: int | None = None) -> str:
    """Keep the content of an object in internal storage; returns its URI. `number` tells those of one task apart."""
    name = file_name(key)
    return await ctx.files.put(name if number is None else f"{number}/{name}", content.chunks)


def file_name(key: str) -> str:
    """A name for the file of an object: the end of its key, without what a file name may not have."""
    name = "".join("-" if sign in UNFIT else sign for sign in PurePosixPath(key.rstrip("/")).name)
    return name.lstrip(".")[-150:] or "object"
