"""Amazon Ion text: values written and read. Every JSON text is Ion too."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

from engine.expressions.numbers import java_text, widened
from engine.expressions.printing import json_string, scalar_text

TOKEN = re.compile(
    r"""
    (?P<space>[\s\ufeff]+|//[^\n\r]*|/\*.*?\*/)
    |(?P<open>/\*)
    |(?P<blob>\{\{[A-Za-z0-9+/=\s]*\}\})
    |(?P<clob>\{\{\s*"(?:[^"\\]|\\.)*"\s*\}\})
    |(?P<string>"(?:[^"\\\n\r]|\\(?:\r\n|.))*")
    |(?P<long>'''(?:[^'\\]|\\.|'(?!''))*''')
    |(?P<quoted>'(?:[^'\\\n\r]|\\(?:\r\n|.))*')
    |(?P<timestamp>\d{4}(?:T|-\d\d(?:T|-\d\d(?:T(?:\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?)?)))
    |(?P<number>-?0[xX][0-9a-fA-F_]+|-?0[bB][01_]+|-?\d[\d_]*(?:\.[\d_]*)?(?:[eEdD][+-]?\d+)?|[+-]inf)
    |(?P<symbol>[A-Za-z_$][A-Za-z0-9_$]*)
    |(?P<mark>::|[{}\[\](),:])
    |(?P<operator>[!\#%&*+\-./;<=>?@^`|~]+)
    """,
    re.VERBOSE | re.DOTALL,
)
TIMESTAMP = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?T?(?:(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d))?", re.ASCII
)
ESCAPE = re.compile(r"\\(\r\n|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
ESCAPES = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}
PLAIN = frozenset("\"'?\\/")
IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
WORDS: dict[str, Any] = {"null": None, "true": True, "false": False, "nan": math.nan}
CLOSING = {"[": "]", "(": ")", "{": "}"}
COLLECTIONS = (list, tuple, set, frozenset)
CONTAINERS = (Mapping, *COLLECTIONS)
VERSION = re.compile(r"\$ion_\d+_\d+")
MOST_EXPONENT = 10_000
LONGEST_NUMBER = 4000
LEXEME_COST = ITEM_COST = 2
Spend = Callable[[int], None]


class IonError(ValueError):
    """A text that is no Ion; the message says what is wrong and on which line."""


def dumps(value: Any, *, nulls: bool = True, spend: Spend | None = None) -> str:
    """A value as compact Ion text. Without `nulls` null values of maps are left out.

    spend: called with the cost of each list and map in microseconds; what it raises ends the writing
    """
    parts: list[str] = []
    _write(value, parts, nulls, spend)
    return "".join(parts)


def loads(text: str) -> Any:
    """The one value that a text holds, None for a text without any.

    Lists and s-expressions become lists, structs dicts, symbols texts, decimals `Decimal`, timestamps aware datetimes
    (naive where the offset is unknown, days where they have no time), blobs and clobs bytes. Annotations are dropped.
    Raises IonError, also when there is more than one value.
    """
    values = _Reader(text).values()
    first = next(values, None)
    if next(values, values) is not values:
        raise IonError("The text holds more than one Ion value")
    return first


def loads_all(text: str, spend: Spend | None = None) -> Iterator[Any]:
    """The values of a text, one after the other. Raises IonError at the first that is none.

    spend: called with the cost of each lexeme in microseconds; what it raises ends the reading
    """
    return _Reader(text, spend).values()


class _Reader:
    """Reads one text, lexeme by lexeme."""

    def __init__(self, text: str, spend: Spend | None = None) -> None:
        self._text = text
        self._spend = spend
        self._at = 0
        self._kind = ""
        self._lexeme = ""

    def values(self) -> Iterator[Any]:
        """The values up to the end of the text."""
        self._next()
        while self._kind:
            if self._kind == "symbol" and VERSION.fullmatch(self._lexeme):
                self._next()
                continue
            try:
                value = self._value()
            except RecursionError:
                raise IonError("The Ion value is nested too deeply") from None
            yield value

    def _next(self) -> None:
        """Go to the next lexeme; its kind is empty at the end."""
        if self._spend is not None:
            self._spend(LEXEME_COST)
        while True:
            found = TOKEN.match(self._text, self._at)
            if found is None:
                if self._at < len(self._text):
                    raise self._wrong(f"unexpected '{self._text[self._at : self._at + 20]}'")
                self._kind = self._lexeme = ""
                return
            self._at = found.end()
            kind = found.lastgroup
            if kind == "open":
                raise self._wrong("a comment is not closed")
            if kind != "space":
                assert kind is not None
                self._kind, self._lexeme = kind, found.group()
                return

    def _value(self) -> Any:
        """The value that the current lexeme begins; afterwards the lexeme behind it is current."""
        kind, lexeme = self._kind, self._lexeme
        if kind == "mark":
            if lexeme not in CLOSING:
                raise self._wrong(f"unexpected '{lexeme}'")
            return self._struct() if lexeme == "{" else self._sequence(lexeme)
        if kind == "long":
            return self._long_string()
        self._next()
        if kind in ("symbol", "quoted") and self._lexeme == "::":
            self._next()
            return self._value()
        if kind == "symbol":
            return self._word(lexeme)
        if not kind:
            raise self._wrong("a value is missing at the end")
        try:
            return SCALARS[kind](lexeme)
        except (ValueError, ArithmeticError, binascii.Error):
            raise self._wrong(f"'{lexeme[:100]}' is not a value") from None

    def _word(self, lexeme: str) -> Any:
        if lexeme == "null" and self._lexeme.startswith(".") and self._kind == "operator":
            self._next()
            self._next()
            return None
        return WORDS.get(lexeme, lexeme)

    def _long_string(self) -> str:
        text = ""
        while self._kind == "long":
            text += unescaped(self._lexeme[3:-3].replace("\r\n", "\n"))
            self._next()
        return text

    def _sequence(self, opening: str) -> list[Any]:
        closing = CLOSING[opening]
        items: list[Any] = []
        self._next()
        while self._lexeme != closing or self._kind != "mark":
            items.append(self._value())
            if opening == "[" and self._kind == "mark" and self._lexeme == ",":
                self._next()
            elif opening == "[" and (self._lexeme != closing or self._kind != "mark"):
                raise self._wrong("a list needs ',' or ']' after an item")
        self._next()
        return items

    def _struct(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        self._next()
        while self._lexeme != "}" or self._kind != "mark":
            name = self._field_name()
            if self._lexeme != ":" or self._kind != "mark":
                raise self._wrong(f"the field '{name}' needs ':' and a value")
            self._next()
            fields[name] = self._value()
            if self._kind == "mark" and self._lexeme == ",":
                self._next()
            elif self._lexeme != "}" or self._kind != "mark":
                raise self._wrong("a struct needs ',' or '}' after a field")
        self._next()
        return fields

    def _field_name(self) -> str:
        kind, lexeme = self._kind, self._lexeme
        if kind == "long":
            return self._long_string()
        if kind not in ("symbol", "string", "quoted"):
            raise self._wrong(f"a field needs a name, but there is '{lexeme}'" if lexeme else "a struct is not closed")
        self._next()
        return lexeme if kind == "symbol" else unescaped(lexeme[1:-1])

    def _wrong(self, reason: str) -> IonError:
        line = self._text.count("\n", 0, self._at) + 1
        return IonError(f"Invalid ion: {reason} (line {line})")


def unescaped(text: str) -> str:
    """The text that an Ion text with escapes stands for. Raises ValueError."""
    if "\\" not in text:
        return text
    plain = ESCAPE.sub(_character, text)
    if any("\ud800" <= char <= "\udfff" for char in plain):
        return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return plain


def _character(found: re.Match[str]) -> str:
    escape = found.group(1)
    if len(escape) > 1 and escape[0] in "xuU":
        return chr(int(escape[1:], 16))
    if escape in PLAIN:
        return escape
    if escape not in ESCAPES:
        raise ValueError(escape)
    return ESCAPES[escape]


def _number(lexeme: str) -> int | float | Decimal:
    if lexeme.endswith("inf"):
        return float(lexeme)
    if len(lexeme) > LONGEST_NUMBER:
        raise ValueError(lexeme[:LONGEST_NUMBER])
    digits = lexeme.replace("_", "")
    if digits.lstrip("-")[:2].lower() in ("0x", "0b"):
        return int(digits, 0)
    if "e" in digits or "E" in digits:
        return float(digits)
    if "." in digits or "d" in digits or "D" in digits:
        number = Decimal(digits.replace("d", "e").replace("D", "e"))
        if abs(number.adjusted()) > MOST_EXPONENT:
            raise ValueError(lexeme)
        return number
    return int(digits)


def _timestamp(lexeme: str) -> date:
    found = TIMESTAMP.fullmatch(lexeme)
    if found is None:
        raise ValueError(lexeme)
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    first = date(int(year), int(month or 1), int(day or 1))
    if hour is None:
        return first
    micro = int((fraction or "0").ljust(6, "0")[:6])
    clock = time(int(hour), int(minute), int(second or 0), micro)
    if offset == "-00:00":
        return datetime.combine(first, clock)
    if offset == "Z":
        return datetime.combine(first, clock, UTC)
    minutes = int(offset[1:3]) * 60 + int(offset[4:])
    return datetime.combine(first, clock, timezone(timedelta(minutes=minutes if offset[0] == "+" else -minutes)))


def _clob(lexeme: str) -> bytes:
    return unescaped(lexeme[2:-2].strip()[1:-1]).encode("latin-1")


SCALARS: dict[str, Any] = {
    "string": lambda lexeme: unescaped(lexeme[1:-1]),
    "quoted": lambda lexeme: unescaped(lexeme[1:-1]),
    "number": _number,
    "timestamp": _timestamp,
    "blob": lambda lexeme: base64.b64decode(re.sub(r"\s", "", lexeme[2:-2]), validate=True),
    "clob": _clob,
    "operator": lambda lexeme: lexeme,
}


def _write(value: Any, parts: list[str], nulls: bool, spend: Spend | None) -> None:
    if spend is not None and isinstance(value, CONTAINERS):
        spend(ITEM_COST * (len(value) + 1))
    if isinstance(value, Mapping):
        separator = "{"
        for key, item in value.items():
            if item is None and not nulls:
                continue
            parts.append(f"{separator}{_symbol(key if isinstance(key, str) else scalar_text(key))}:")
            _write(item, parts, nulls, spend)
            separator = ","
        parts.append("}" if separator == "," else "{}")
    elif isinstance(value, COLLECTIONS):
        parts.append("[")
        for index, item in enumerate(value):
            if index:
                parts.append(",")
            _write(item, parts, nulls, spend)
        parts.append("]")
    else:
        parts.append(_scalar(value))


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str) and not isinstance(value, Enum):
        return json_string(value)
    if isinstance(value, float):
        return _float(widened(value))
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return f"{{{{{base64.b64encode(value).decode()}}}}}"
    if isinstance(value, bool | int) and not isinstance(value, Enum):
        return scalar_text(value)
    return json_string(scalar_text(value))


def _float(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "+inf" if value > 0 else "-inf"
    text = java_text(value)
    if "E" in text:
        return text
    return f"{text.removesuffix('.0')}e0"


def _decimal(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return json_string(str(value))
    if exponent > 0 or exponent < -len(digits) - 20:
        return f"{'-' if sign else ''}{''.join(map(str, digits))}d{exponent}"
    text = format(value, "f")
    return text if "." in text else f"{text}."


def _moment(value: datetime) -> str:
    offset = value.strftime("%z")
    zone = "-00:00" if not offset else "Z" if offset[1:5] == "0000" else f"{offset[:3]}:{offset[3:5]}"
    digits = f"{value.microsecond:06d}"
    fraction = digits[:3] if digits.endswith("000") else digits
    return f"{value:%Y-%m-%dT%H:%M:%S}.{fraction}{zone}".rjust(len("2026-01-01T00:00:00.000Z"), "0")


def _symbol(name: str) -> str:
    if IDENTIFIER.fullmatch(name) and name not in WORDS:
        return name
    quoted = json_string(name)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{quoted}'"
