"""How values print: as templates show them, as Java writes them inside texts, and as JSON."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from json.encoder import encode_basestring
from typing import Any
from zoneinfo import ZoneInfo

from engine.errors import ExpressionError
from engine.expressions.access import Entry
from engine.expressions.numbers import java_text, plain_text
from engine.expressions.scope import RenderScope

COLLECTIONS = (list, tuple, set, frozenset)
CONTAINERS = (Mapping, *COLLECTIONS)
JAVA_CONTAINERS = (*CONTAINERS, Entry)
CONTROL = re.compile("[\x00-\x1f]")

_quoted: Callable[[str], str] = encode_basestring


def to_text(value: Any, scope: RenderScope | None = None) -> str:
    """A value as a template prints it: maps and lists as JSON, null as nothing, dates as Java writes them.

    With `scope` the size counts. Raises LimitError.
    """
    if isinstance(value, str) and not isinstance(value, Enum):
        return value
    if value is None:
        return ""
    if isinstance(value, CONTAINERS):
        return to_json(value, scope)
    return scalar_text(value)


def to_java(value: Any, scope: RenderScope | None = None) -> str:
    """A value as Java's toString writes it: `[1, a]`, `{k=v}`, null as the word."""
    if isinstance(value, JAVA_CONTAINERS):
        writer = _Writer(scope)
        _write_java(writer, value)
        return writer.text()
    return "null" if value is None else scalar_text(value)


def to_json(value: Any, scope: RenderScope | None = None) -> str:
    """A value as compact JSON. Null values of maps are left out, nulls in lists stay.

    With `scope` dates are in its zone and the size counts. Raises LimitError, ExpressionError.
    """
    writer = _Writer(scope)
    _write_json(writer, value)
    return writer.text()


def scalar_text(value: Any) -> str:
    """A value that holds no others, as Java's toString writes it."""
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, str) else value.name
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return java_text(value)
    if isinstance(value, Decimal):
        return plain_text(value)
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, time):
        return _java_time(value)
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    return str(value)


def moment_text(value: datetime) -> str:
    """A date with time as Java prints it: an instant where its zone is UTC itself, else with offset and zone."""
    day = value.date().isoformat()
    if value.tzinfo is UTC:
        return f"{day}T{value:%H:%M:%S}{_grouped(value.microsecond)}Z"
    return f"{day}T{_java_time(value.timetz())}{offset_text(value)}{_zone_suffix(value.tzinfo)}"


def iso_text(value: datetime) -> str:
    """A date with time as ISO has it, always with seconds: `2013-09-08T16:19:00.5+02:00`."""
    fraction = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
    return f"{value:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + fraction + offset_text(value)


def offset_text(value: datetime) -> str:
    """`Z`, `+02:00`, or nothing for a local date."""
    offset = value.utcoffset()
    if offset is None:
        return ""
    seconds = round(offset.total_seconds())
    if seconds == 0:
        return "Z"
    hours, rest = divmod(abs(seconds), 3600)
    text = f"{'-' if seconds < 0 else '+'}{hours:02d}:{rest // 60:02d}"
    return f"{text}:{rest % 60:02d}" if rest % 60 else text


def duration_text(value: timedelta) -> str:
    """`PT1M30S`, `PT49H`, `PT0S`."""
    micros = value // timedelta(microseconds=1)
    sign = "-" if micros < 0 else ""
    seconds, fraction = divmod(abs(micros), 1_000_000)
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    text = f"{sign}{hours}H" if hours else ""
    text += f"{sign}{minutes}M" if minutes else ""
    if left or fraction or not text:
        text += f"{sign}{left}" + (f".{fraction:06d}".rstrip("0") if fraction else "") + "S"
    return f"PT{text}"


class _Writer:
    """The parts of a text; their size is watched where there is a scope."""

    __slots__ = ("_scope", "_size", "add", "parts", "zone")

    def __init__(self, scope: RenderScope | None) -> None:
        self._scope = scope
        self._size = 0
        self.zone: tzinfo | None = scope.zone if scope is not None else None
        self.parts: list[str] = []
        self.add = self.parts.append

    def measure(self, text: str, items: int = 0) -> None:
        """Add a text that may be large, or count items to come. Raises LimitError."""
        self.add(text)
        if self._scope is not None:
            self._size += len(text) + items
            self._scope.spend(1 + items)
            if self._size > self._scope.budget.limits.output_bytes:
                self._scope.budget.text(self._size)

    def text(self) -> str:
        whole = "".join(self.parts)
        if self._scope is not None:
            self._scope.budget.text(len(whole))
        return whole


def _write_json(writer: _Writer, value: Any) -> None:
    kind = type(value)
    # The usual types first and by themselves: asking for every other type takes much longer than writing them.
    if kind is str:
        writer.measure(json_string(value))
    elif kind is int:
        writer.add(int.__repr__(value))
    elif kind is bool:
        writer.add("true" if value else "false")
    elif kind is dict:
        _write_map(writer, value)
    elif value is None:
        writer.add("null")
    elif isinstance(value, str) and not isinstance(value, Enum):
        writer.measure(json_string(value))
    elif isinstance(value, Mapping):
        _write_map(writer, value)
    elif isinstance(value, COLLECTIONS):
        writer.measure("[", len(value))
        for index, item in enumerate(value):
            if index:
                writer.add(",")
            _write_json(writer, item)
        writer.add("]")
    elif isinstance(value, Entry):
        _write_map(writer, {value.key: value.value})
    else:
        writer.measure(_json_scalar(value, writer.zone))


def _write_map(writer: _Writer, value: Mapping[Any, Any]) -> None:
    writer.measure("{", len(value))
    separator = ""
    for key, item in value.items():
        if item is None:
            continue
        writer.add(f"{separator}{json_string(key if type(key) is str else _key(key))}:")
        _write_json(writer, item)
        separator = ","
    writer.add("}")


def _write_java(writer: _Writer, value: Any) -> None:
    if isinstance(value, Mapping):
        writer.measure("{", len(value))
        for index, (key, item) in enumerate(value.items()):
            writer.add(f"{', ' if index else ''}{to_java(key)}=")
            _write_java(writer, item)
        writer.add("}")
    elif isinstance(value, COLLECTIONS):
        writer.measure("[", len(value))
        for index, item in enumerate(value):
            if index:
                writer.add(", ")
            _write_java(writer, item)
        writer.add("]")
    elif isinstance(value, Entry):
        writer.add(f"{to_java(value.key)}=")
        _write_java(writer, value.value)
    else:
        writer.measure("null" if value is None else scalar_text(value))


def json_string(text: str) -> str:
    """A text as a JSON string."""
    quoted = _quoted(text)
    if "\\u00" in quoted and CONTROL.search(text):
        return re.sub(r"(?<!\\)((?:\\\\)*)\\u00([01][0-9a-f])", _upper_hex, quoted)
    return quoted


def _upper_hex(found: re.Match[str]) -> str:
    return f"{found.group(1)}\\u00{found.group(2).upper()}"


def _json_scalar(value: Any, zone: tzinfo | None) -> str:
    if isinstance(value, bool) or (isinstance(value, int | Decimal) and not isinstance(value, Enum)):
        return scalar_text(value)
    if isinstance(value, float):
        text = java_text(value)
        return f'"{text}"' if text[-1] in "yN" else text
    if isinstance(value, datetime):
        moment = value.astimezone(zone) if zone is not None and value.tzinfo is not None else value
        return f'"{iso_text(moment)}"'
    if isinstance(value, time):
        return f'"{value.isoformat()}"'
    return json_string(scalar_text(value))


def _key(key: Any) -> str:
    if key is None:
        raise ExpressionError("A map with null as a key can't be written as JSON")
    if isinstance(key, datetime):
        return iso_text(key)
    return to_java(key)


def _java_time(value: time) -> str:
    text = f"{value.hour:02d}:{value.minute:02d}"
    if value.second or value.microsecond:
        text += f":{value.second:02d}{_grouped(value.microsecond)}"
    return text


def _grouped(micros: int) -> str:
    """A fraction of a second with 3 or 6 digits, or none."""
    if micros == 0:
        return ""
    return f".{micros // 1000:03d}" if micros % 1000 == 0 else f".{micros:06d}"


def _zone_suffix(zone: tzinfo | None) -> str:
    return f"[{zone.key}]" if isinstance(zone, ZoneInfo) else ""


def is_date(value: Any) -> bool:
    """Whether a value is a day without a time."""
    return isinstance(value, date) and not isinstance(value, datetime)
