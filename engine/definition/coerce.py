"""What a value of each input type may look like, and what becomes of it.

Values that come out are JSON values: moments, dates, times and durations are ISO-8601 text, so that an execution which
was stored and read back sees what it saw before.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from engine.definition.document import read_yaml
from engine.durations import parse_duration
from engine.expressions import ion
from engine.expressions.printing import scalar_text

Seal = Callable[[str], dict[str, Any]]
"""Encrypts a text; the result is what is stored."""

TEXT_TYPES = frozenset({"STRING", "SECRET", "EMAIL"})
"""Types whose empty text is a value; for the others it counts as none."""

_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S*")
_EMAIL = re.compile(r"|[a-zA-Z0-9_!#$%&'’*+/=?`{|}~^.-]+@[a-zA-Z0-9.-]+")
_INT = re.compile(r"[-+]?\d{1,19}")
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?")


def coerce(type: str, value: Any) -> Any:
    """`value`, which is not None, as a value of an input type. Raises ValueError with the reason."""
    if (convert := _CONVERT.get(type)) is None:
        raise ValueError(f"values of type {type} are not available in this version")
    return convert(value)


def coerce_list(value: Any, item_type: str | None) -> list[Any]:
    """A list, or JSON text of one, with each element coerced. Raises ValueError."""
    items = _structure(value, "a list") if isinstance(value, str) else value
    if isinstance(items, tuple):
        items = list(items)
    if not isinstance(items, list):
        raise ValueError(f"it must be a list or JSON text of a list, but is {shown(value)}")
    if item_type is None:
        return items
    coerced = []
    for item in items:
        try:
            coerced.append(coerce(item_type, item))
        except ValueError as error:
            raise ValueError(f"Unable to parse array element as `{item_type}` on `{shown(item)}`: {error}") from None
    return coerced


def shown(value: Any) -> str:
    """A value in a message, shortened."""
    text = value if isinstance(value, str) else _json_text(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def order_key(type: str, value: Any) -> Any:
    """What to compare values of a type by. Raises ValueError."""
    coerced = coerce(type, value)
    if type == "DATETIME":
        return datetime.fromisoformat(coerced)
    if type == "DURATION":
        return parse_duration(coerced)
    return time.fromisoformat(coerced) if type == "TIME" else coerced


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return _json_text(value)


def _int(value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not _INT.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"it must be a whole number, but is {shown(value)}")
    return int(text)


def _float(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) or "_" in str(value) else float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"it must be a number, but is {shown(value)}")
    return number


def _bool(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).strip().lower() == "true"


def _datetime(value: Any) -> str:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        if moment.tzinfo is None:
            raise ValueError
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"it must be a moment like 2024-01-31T10:00:00Z, but is {shown(value)}") from None
    return moment.isoformat().replace("+00:00", "Z")


def _date(value: Any) -> str:
    try:
        day = value if isinstance(value, date) else datetime.strptime(str(value).strip(), "%Y-%m-%d")  # noqa: DTZ007
    except ValueError:
        raise ValueError(f"it must be a date like 2024-01-31, but is {shown(value)}") from None
    return day.strftime("%Y-%m-%d").rjust(10, "0")


def _time(value: Any) -> str:
    text = value.isoformat() if isinstance(value, time) else str(value).strip()
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return time.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"it must be a time like 18:30 or 18:30:15, but is {shown(value)}") from None


def _duration(value: Any) -> str:
    text = str(value).strip()
    parse_duration(text)
    return text.upper()


def _json(value: Any) -> Any:
    return _structure(value, "JSON") if isinstance(value, str) else value


def _structure(text: str, wanted: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it must be {wanted}, but can't be read as JSON: {error}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _yaml(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    document = read_yaml(value)
    if document.diagnostics:
        raise ValueError(f"it must be YAML: {document.diagnostics[0]}")
    return document.value


def _ion(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return as_json(ion.loads(value))
    except ion.IonError as error:
        raise ValueError(f"it must be Ion: {error}") from None


def as_json(value: Any) -> Any:
    """A value with what JSON has no form for as its text."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else str(value)
    return scalar_text(value)


def as_map(value: Any) -> dict[str, Any]:
    """A map, or JSON text of one. Raises ValueError."""
    found = _structure(value, "a map") if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise ValueError(f"it must be a map or JSON text of a map, but is {shown(value)}")
    return found


def _uri(value: Any) -> str:
    text = _text(value)
    if not _URI.fullmatch(text):
        raise ValueError("Invalid URI format.")
    return text


def _email(value: Any) -> str:
    text = _text(value)
    if not _EMAIL.fullmatch(text):
        raise ValueError("The input must be a valid email")
    return text


_CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "STRING": _text,
    "SECRET": _text,
    "SELECT": _text,
    "ENUM": _text,
    "FILE": _text,
    "INT": _int,
    "FLOAT": _float,
    "BOOLEAN": _bool,
    "BOOL": _bool,
    "DATETIME": _datetime,
    "DATE": _date,
    "TIME": _time,
    "DURATION": _duration,
    "JSON": _json,
    "YAML": _yaml,
    "ION": _ion,
    "URI": _uri,
    "EMAIL": _email,
    "ARRAY": lambda value: coerce_list(value, None),
    "MULTISELECT": lambda value: coerce_list(value, None),
}
