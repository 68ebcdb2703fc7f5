"""Inputs as a form brings them: texts, and files that wait in a folder until the engine has taken them."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

import anyio
import anyio.to_thread
from aiohttp import BodyPartReader, web

from engine.api.problems import Illegal
from engine.api.transfer import readable_form, saved, text_of
from engine.definition.inputs import Upload

OLD_NAME = "files"
"""What clients of earlier versions call every file; the name of the file is that of the input then."""


@asynccontextmanager
async def uploaded(request: web.Request) -> AsyncIterator[Mapping[str, str]]:
    """Inputs of a request by id while the block is open: texts, or paths of files. Raises Illegal for a broken form."""
    if not request.body_exists or not request.content_type.startswith("multipart/"):
        yield {} if not request.body_exists else {name: str(value) for name, value in (await request.post()).items()}
        return
    with tempfile.TemporaryDirectory(prefix="tidegate-upload-") as folder:
        with readable_form():
            inputs = await _parts(request, Path(folder))
        yield inputs


async def _parts(request: web.Request, folder: Path) -> dict[str, str]:
    inputs: dict[str, str] = {}
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise Illegal("a form inside a form can't be read")
        if part.filename is None:
            if part.name:
                inputs[part.name] = await text_of(request, part)
            continue
        target = folder / str(len(inputs)) / (PurePosixPath(part.filename).name or "file")
        await anyio.Path(target.parent).mkdir()
        await saved(request, part, target)
        inputs[part.name or part.filename] = Upload(target)
        if part.name == OLD_NAME:
            # What is not declared is ignored.
            inputs[part.filename] = Upload(target)
    return inputs
