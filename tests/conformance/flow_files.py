"""Files of internal storage that a case looks into."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from conformance.flow_cases import Unbound
from engine.errors import NotFound
from engine.files.addresses import SCHEME, cache_file
from engine.files.protocol import InternalStorage
from engine.state.record import Record

LOOKED_INTO = re.compile(r"file_content|attempt_log_file|cache_file_exists")
NO_CACHE = re.compile(r"no cache file for task (\S+) of the flow")


async def stored(files: InternalStorage, record: Record, case: Mapping[str, Any]) -> dict[str, Any]:
    """`contents` by URI of the files that task runs left, and `cached`: whether a task keeps its folder."""
    if not LOOKED_INTO.search(repr(case)):
        return {}
    runs = record.runs.values()
    left = [uri for run in runs for uri in _uris(run.outputs)]
    logs = [attempt.log_file for run in runs for attempt in run.attempts if attempt.log_file]
    of = record.execution
    caches = [cache_file(of.namespace, of.flow, run.node, run.value) for run in runs]
    return {
        "contents": {uri: await _read(files, uri) for uri in (*left, *logs)},
        "cached": any([await _read(files, address) is not None for address in caches]),
    }


async def set_up(files: InternalStorage, namespace: str, flow: str, words: str) -> None:
    """What a step of a case says must be so before it begins. Raises Unbound."""
    named = NO_CACHE.fullmatch(words)
    if named is None:
        raise Unbound(f"nothing sets up '{words}'")
    await files.delete(cache_file(namespace, flow, named[1], None))


async def _read(files: InternalStorage, uri: str) -> str | None:
    try:
        return b"".join([chunk async for chunk in files.read(uri)]).decode(errors="replace")
    except NotFound:
        return None


def _uris(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith(f"{SCHEME}/"):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _uris(item)
    elif isinstance(value, list):
        for item in value:
            yield from _uris(item)
