"""The key-value store as flows and people use it: keys of namespaces, typed values, an end to their life.

Values are JSON. A DATETIME, DATE or DURATION is its ISO-8601 text; a value that holds a secret is stored encrypted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec

from engine.clock import Clock
from engine.definition.coerce import coerce
from engine.durations import parse_duration
from engine.errors import Expired, Malformed, Refused
from engine.files.addresses import namespace_folder
from engine.files.protocol import InternalStorage
from engine.runtime.keeping.globs import translate
from engine.runtime.keeping.vault import Vault
from engine.state.sealed import is_sealed
from engine.store.namespaced import KvStore
from engine.store.protocols import FlowStore
from engine.store.rows import Entry

TYPES = ("STRING", "NUMBER", "BOOLEAN", "DATETIME", "DATE", "DURATION", "JSON")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
KEY_RULE = (
    "Key must start with an alphanumeric character (uppercase or lowercase) and can contain alphanumeric characters "
    "(uppercase or lowercase), dots (.), underscores (_), and hyphens (-) only."
)

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.decode


class Keys:
    """The keys of all namespaces. Every method raises Malformed for what can't be a key."""

    def __init__(
        self, store: KvStore, flows: FlowStore, files: InternalStorage, vault: Vault, clock: Clock, keep: int = 0
    ) -> None:
        """keep: how many earlier values of a key stay."""
        self._store = store
        self._flows = flows
        self._files = files
        self._vault = vault
        self._clock = clock
        self._keep = keep

    async def get(self, namespace: str, key: str) -> Entry | None:
        """An entry. One that has expired is removed, with Expired; from then on there is none."""
        entry = await self._store.get(namespace, checked(key))
        if entry is not None and entry.expired(now := self._clock.now()):
            await self._store.delete([(namespace, key)], expired=now)
            raise Expired(f"The requested value has expired: the key '{key}' in the namespace '{namespace}'")
        return entry

    async def nearest(self, namespace: str, key: str) -> Entry | None:
        """The entry of a namespace or of the nearest one above it that has the key."""
        for name in with_parents(namespace):
            entry = await self.get(name, key)
            if entry is not None:
                return entry
        return None

    async def set(
        self,
        namespace: str,
        key: str,
        value: Any,
        *,
        type: str | None = None,
        ttl: int | None = None,
        overwrite: bool = True,
        description: str | None = None,
        masks: Collection[str] = (),
    ) -> None:
        """Store a value.

        type: what to read a text as, and what the value must be; else the value says it
        ttl: milliseconds until it expires; None for never
        masks: texts that must not be stored in the clear

        Raises Malformed for a value that is none of the type, Refused for a taken key where `overwrite` is off.
        """
        now = self._clock.now()
        kind, plain = typed(value, type)
        # The sealed form is a map of its own; what reads the entry opens it.
        sealed = self._vault.seal_secrets({"value": plain}, masks)["value"]
        expires = None if ttl is None else now + ttl
        entry = Entry(namespace, checked(key), kind, _encode(sealed).decode(), description, now, now, expires)
        if not await self._store.put(entry, overwrite, self._keep):
            raise Refused(f"Cannot set value for key '{key}'. Key already exists and `overwrite` is set to `false`.")

    async def list(self, namespace: str | None = None, prefix: str = "") -> Sequence[Entry]:
        """Entries that have not expired, by namespace and key."""
        now = self._clock.now()
        return [entry for entry in await self._store.list(namespace, prefix) if not entry.expired(now)]

    async def delete(self, namespace: str, key: str) -> bool:
        """Delete a key; whether there was one that had not expired."""
        entry = await self._store.get(namespace, checked(key))
        await self._store.delete([(namespace, key)])
        return entry is not None and not entry.expired(self._clock.now())

    async def purge(
        self,
        *,
        key: str | None = None,
        namespaces: Sequence[str] | None = None,
        namespace: str | None = None,
        below: bool = True,
        expired_only: bool = True,
    ) -> int:
        """Delete what has expired, or everything, that matches; returns how many.

        key: glob that the key must match
        namespaces: names, with those below them unless `below` is off; `namespace`: a glob that a name must match
        """
        now = self._clock.now()
        places = await self._places(key, namespaces, namespace, below)
        return await self._store.delete(places, expired=now if expired_only else None)

    async def revisions(self, namespace: str, key: str) -> Sequence[Entry]:
        """The values that a key has and had, the latest first; none where there is no such key."""
        entry = await self.get(namespace, key)
        return [] if entry is None else [entry, *await self._store.older(namespace, key)]

    async def purge_revisions(
        self,
        *,
        key: str | None = None,
        namespaces: Sequence[str] | None = None,
        namespace: str | None = None,
        below: bool = True,
        keep: int = 1,
        before: int | None = None,
    ) -> int:
        """Drop earlier values of keys that match, as `purge` has it; returns how many.

        keep: how many values stay, with the one of now; before: only those stored before, in milliseconds
        """
        return await self._store.purge(await self._places(key, namespaces, namespace, below), keep, before)

    async def _places(
        self, key: str | None, namespaces: Sequence[str] | None, namespace: str | None, below: bool
    ) -> Sequence[tuple[str, str]]:
        fits_key, fits_name = name_glob(key), name_glob(namespace)

        def chosen(entry: Entry) -> bool:
            named = namespaces is None or among(entry.namespace, namespaces, below)
            return named and fits_key(entry.key) and fits_name(entry.namespace)

        return [(entry.namespace, entry.key) for entry in await self._store.list() if chosen(entry)]

    async def check_namespace(self, namespace: str, own: str) -> None:
        """Raises Refused for a namespace that nobody uses, other than `own` and those above it."""
        if namespace in with_parents(own) or await self._store.list(namespace) or await self._flows.list(namespace):
            return
        below = f"{namespace}."
        if any(flow.namespace.startswith(below) for flow in await self._flows.list()):
            return
        if not await self._files.list(namespace_folder(namespace)):
            raise Refused(f"Cannot access the KV store. The namespace '{namespace}' does not exist.")

    def opened(self, entry: Entry) -> tuple[Any, bool]:
        """The value of an entry, and whether it was stored encrypted."""
        value = stored(entry)
        if is_sealed(value):
            return self._vault.open(value["value"], bool(value.get("json"))), True
        return value, False


def stored(entry: Entry) -> Any:
    """The value of an entry as it is stored: plain, or in its encrypted form."""
    return _decode(entry.value)


def checked(key: str) -> str:
    """The key. Raises Malformed."""
    if not KEY.fullmatch(key):
        raise Malformed(f"{KEY_RULE} It is '{key[:200]}'.")
    return key


def with_parents(namespace: str) -> list[str]:
    """A namespace and those above it, nearest first."""
    parts = namespace.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def typed(value: Any, type: str | None = None) -> tuple[str, Any]:
    """The type of a value and its JSON form. Raises Malformed where it is none of the type asked for."""
    if type is None:
        return _type_of(value), _jsonable(value)
    if type not in TYPES:
        raise Malformed(f"The type of a value is one of {', '.join(TYPES)}, not '{type}'")
    try:
        return type, _READ[type](value)
    except ValueError as error:
        raise Malformed(f"The value is no {type}: {error}") from None


def guessed(text: str) -> tuple[str | None, Any]:
    """What a text written by hand stands for: a moment, a date, a JSON value, else itself; the type, where known."""
    if DAY.match(text):
        for type in ("DATE", "DATETIME"):
            try:
                return type, coerce(type, text)
            except ValueError:
                continue
    try:
        return None, _decode(text)
    except msgspec.DecodeError:
        return None, text


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int | float | Decimal):
        return "NUMBER"
    if isinstance(value, datetime):
        return "DATETIME"
    if isinstance(value, date):
        return "DATE"
    if isinstance(value, str) or value is None:
        return "DURATION" if value and _is_duration(value) else "STRING"
    return "JSON"


def _is_duration(text: str) -> bool:
    try:
        parse_duration(text)
    except ValueError:
        return False
    return True


def _number(value: Any) -> Any:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _jsonable(value)
    text = str(value).strip()
    try:
        return int(text)
    except ValueError:
        return coerce("FLOAT", text)


def _boolean(value: Any) -> bool:
    if str(value).strip().lower() not in ("true", "false"):
        raise ValueError(f"it must be true or false, but is '{str(value)[:100]}'")
    return bool(coerce("BOOLEAN", value))


_READ: Mapping[str, Callable[[Any], Any]] = {
    "STRING": lambda value: coerce("STRING", value),
    "NUMBER": _number,
    "BOOLEAN": _boolean,
    "DATETIME": lambda value: coerce("DATETIME", value),
    "DATE": lambda value: coerce("DATE", value),
    "DURATION": lambda value: coerce("DURATION", value),
    "JSON": lambda value: _jsonable(coerce("JSON", value)),
}


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime):
        return coerce("DATETIME", value) if value.tzinfo else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item) for item in value]
    try:
        return _decode(_encode(value))
    except (TypeError, ValueError) as error:
        raise Malformed(f"The value can't be stored as JSON: {error}") from None


def among(namespace: str, names: Iterable[str], below: bool) -> bool:
    """Whether a namespace is one of those, or `below` one of them."""
    return any(namespace == name or (below and namespace.startswith(f"{name}.")) for name in names)


def name_glob(pattern: str | None) -> Callable[[str], bool]:
    """A test of keys and namespaces, which have no folders; without a pattern all pass."""
    if pattern is None:
        return lambda _text: True
    compiled = re.compile(translate(pattern).replace("[^/]*", ".*"), re.DOTALL)
    return lambda text: compiled.fullmatch(text) is not None
