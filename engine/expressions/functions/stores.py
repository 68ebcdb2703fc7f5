"""Functions whose answers lie elsewhere: secrets, keys, files, log lines, flows.

Kinds of look-ups and their arguments; null stands for what a template didn't give:

secret(key[, namespace]) -> text
credential(name) -> text
kv(key, namespace, error_on_missing) -> value; without a namespace the flow's own and those above it
read(path[, namespace, version]) -> text
file_size(path[, namespace]) -> bytes
file_exists(path[, namespace]) -> boolean
error_logs() -> list of maps
subflow(namespace, id, inputs as JSON, revision, labels as JSON, timeout) -> map with id, state, outputs, labels
app_link(arguments as JSON) -> text
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.errors import ExpressionError
from engine.expressions.arguments import as_text, given, integer
from engine.expressions.printing import to_json
from engine.expressions.registry import ANY, template_function
from engine.expressions.scope import RenderScope
from engine.state.sealed import is_sealed


@template_function("secret", parameters=("key", "namespace", "subkey", "full"))
def secret(scope: RenderScope, key: Any = None, namespace: Any = None, subkey: Any = None, full: Any = False) -> Any:
    """A secret; with `subkey` one entry of a secret that is a JSON map; with `full` a map with its `value`."""
    name = as_text(given("secret", "key", key))
    whole = scope.look_up("secret", name) if namespace is None else scope.look_up("secret", name, as_text(namespace))
    if full is True:
        known = _parsed(whole)
        entries = known if isinstance(known, dict) and "value" in known else {"value": whole}
        _mask(scope, entries)
        return entries
    if subkey is None or subkey == "":
        return whole
    entries = _entries(name, whole)
    wanted = as_text(subkey)
    if wanted not in entries:
        raise ExpressionError(f"Cannot find secret sub-key '{wanted}' in secret '{name}'.")
    value = entries[wanted]
    found = to_json(value) if isinstance(value, dict | list) else as_text(value)
    _mask(scope, found)
    return found


def _entries(name: str, whole: Any) -> dict[str, Any]:
    entries = _parsed(whole)
    if not isinstance(entries, dict):
        raise ExpressionError(f"The secret '{name}' must hold a JSON map to be read by its entries")
    return entries


def _parsed(whole: Any) -> Any:
    """The value of a JSON text; None for another text."""
    try:
        return msgspec.json.decode(whole) if isinstance(whole, str) else whole
    except msgspec.DecodeError:
        return None


def _mask(scope: RenderScope, value: Any) -> None:
    if isinstance(value, str):
        scope.mask(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            _mask(scope, item)
    elif isinstance(value, list):
        for item in value:
            _mask(scope, item)


@template_function("credential", parameters=("name",))
def credential(scope: RenderScope, name: Any = None) -> Any:
    """The token of a managed credential."""
    return scope.look_up("credential", as_text(given("credential", "name", name)))


@template_function("kv", parameters=("key", "namespace", "errorOnMissing"))
def kv(scope: RenderScope, key: Any = None, namespace: Any = None, error_on_missing: Any = True) -> Any:
    """The value of a key of a namespace; a missing one is an error, or null without `errorOnMissing`."""
    name = as_text(given("kv", "key", key))
    place = None if namespace is None else as_text(namespace)
    found = scope.look_up("kv", name, place, error_on_missing is not False)
    return scope.look_up("sealed", found["value"], bool(found.get("json"))) if is_sealed(found) else found


@template_function("read", parameters=("path", "namespace", "version"))
def read(scope: RenderScope, path: Any = None, namespace: Any = None, version: Any = None) -> Any:
    """The text of a file: a namespace file, or one of internal storage that the execution may read."""
    name = as_text(given("read", "path", path))
    if version is not None:
        number = integer(version, "The argument 'version' of read")
        return scope.look_up("read", name, None if namespace is None else as_text(namespace), number)
    return _look_up(scope, "read", name, namespace)


@template_function("fileSize", parameters=("path", "namespace"))
def file_size(scope: RenderScope, path: Any = None, namespace: Any = None) -> Any:
    """The size of a file in bytes."""
    return _look_up(scope, "file_size", as_text(given("fileSize", "path", path)), namespace)


@template_function("fileExists", parameters=("path", "namespace"))
def file_exists(scope: RenderScope, path: Any = None, namespace: Any = None) -> Any:
    """Whether a file exists."""
    return _look_up(scope, "file_exists", as_text(given("fileExists", "path", path)), namespace)


@template_function("isFileEmpty", parameters=("path", "namespace"))
def is_file_empty(scope: RenderScope, path: Any = None, namespace: Any = None) -> bool:
    """Whether a file has no content."""
    size = _look_up(scope, "file_size", as_text(given("isFileEmpty", "path", path)), namespace)
    return bool(size == 0)


def _look_up(scope: RenderScope, kind: str, path: str, namespace: Any) -> Any:
    return scope.look_up(kind, path) if namespace is None else scope.look_up(kind, path, as_text(namespace))


@template_function("fileURI", parameters=("path", "namespace"))
def file_uri(scope: RenderScope, path: Any = None, namespace: Any = None) -> str:
    """The address in internal storage of a namespace file."""
    name = as_text(given("fileURI", "path", path))
    if ".." in name.replace("\\", "/").split("/"):
        raise ExpressionError("Path must not contain '../'")
    place = as_text(namespace) if namespace is not None else flow_namespace(scope, "fileURI")
    return f"kestra:///{place.replace('.', '/')}/_files/{name.lstrip('/')}"


def flow_namespace(scope: RenderScope, function: str) -> str:
    """The namespace of the flow. Raises ExpressionError outside of one."""
    flow = scope.variables.get("flow")
    namespace = flow.get("namespace") if isinstance(flow, Mapping) else None
    if namespace is None:
        raise ExpressionError(f"The '{function}' function can only be used where there is a flow")
    return as_text(namespace)


@template_function("errorLogs")
def error_logs(scope: RenderScope) -> Any:
    """The error lines in the log of the execution."""
    return scope.look_up("error_logs")


@template_function("subflow", parameters=("namespace", "id", "inputs", "revision", "labels", "timeout"))
def subflow(
    scope: RenderScope,
    namespace: Any = None,
    id: Any = None,
    inputs: Any = None,
    revision: Any = None,
    labels: Any = None,
    timeout: Any = None,
) -> Any:
    """Run a flow and wait for its end; its `id`, `state`, `outputs` and `labels`. For the values of inputs only."""
    if any(scope.variables.get(name) for name in ("taskrun", "trigger")):
        raise ExpressionError(
            "The 'subflow' function serves the values of inputs; it can't be used in a task or trigger"
        )
    if namespace is None or id is None:
        raise ExpressionError("The 'subflow' function expects the arguments 'namespace' and 'id'.")
    if scope.variables.get("flow") is None:
        raise ExpressionError("The 'subflow' function can only be used in a flow context")
    return scope.look_up(
        "subflow",
        as_text(namespace),
        as_text(id),
        to_json(inputs or {}, scope),
        None if revision is None else integer(revision, "The argument 'revision' of subflow"),
        to_json(labels or {}, scope),
        None if timeout is None else as_text(timeout),
    )


@template_function("appLink", parameters=(ANY,))
def app_link(scope: RenderScope, *arguments: Any) -> Any:
    """The address of an app."""
    return scope.look_up("app_link", to_json(list(arguments), scope))
