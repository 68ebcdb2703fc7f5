"""The attributes of a stored file and of the one that it replaces, in one text beside them.

Whoever writes a file puts its attributes here first. Until the new file has its name the old one is read, so the
attributes of both are kept, told apart by the time that the file was written. A copy of the storage that lost exact
times still finds the latest.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class _Version(msgspec.Struct, frozen=True):
    """Attributes of the file that was modified at `modified`, nanoseconds since the epoch."""

    modified: int
    attributes: dict[str, str]


_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(list[_Version]).decode


def with_version(versions: bytes, old: int | None, new: int, attributes: Mapping[str, str]) -> bytes:
    """`versions` with those of the file written at `new`; of the others only those of the one written at `old` stay."""
    kept = [] if old is None else [_Version(old, known(versions, old))]
    return _encode([*kept, _Version(new, dict(attributes))])


def known(versions: bytes, modified: int) -> dict[str, str]:
    """The attributes of the file written at `modified`, else the latest."""
    latest: dict[str, str] = {}
    for version in _decode(versions) if versions else ():
        latest = version.attributes
        if version.modified == modified:
            break
    return latest
