"""Inputs on their way to a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp

from engine.definition.inputs import Upload


@contextmanager
def form_of(inputs: Mapping[str, str]) -> Iterator[aiohttp.FormData | None]:
    """Inputs as a form, whose files are open while the block is; None where there are no inputs."""
    with ExitStack() as files:
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in inputs.items():
            if isinstance(value, Upload):
                form.add_field(name, files.enter_context(Path(value).open("rb")), filename=Path(value).name)
            else:
                form.add_field(name, value)
        yield form if inputs else None
