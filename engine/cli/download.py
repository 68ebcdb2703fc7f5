"""Writes a file of internal storage to where a person wants it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.files.protocol import InternalStorage

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write here instead of standard output.", show_default=False)
]


async def download(files: InternalStorage, address: str, output: Path | None) -> None:
    """Copy a file to `output`, or to standard output. Raises NotFound, StorageError."""
    if output is not None:
        await files.fetch(address, output)
        return
    async for chunk in files.read(address):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
