"""The function that asks an HTTP server.

It is the look-up `http(method, address, headers, content type, body, options)`: the address with its query, headers as
pairs of name and values, the body as text or null, options as JSON. The answer is the body of the response, parsed
where it is JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from engine.errors import ExpressionError
from engine.expressions.arguments import as_text, given
from engine.expressions.operators import kind_of
from engine.expressions.printing import to_json
from engine.expressions.registry import template_function
from engine.expressions.scope import RenderScope
from engine.expressions.yamltext import dump

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
Headers = tuple[tuple[str, tuple[str, ...]], ...]


@template_function("http", parameters=("uri", "method", "query", "body", "contentType", "headers", "options", "accept"))
def http(
    scope: RenderScope,
    uri: Any = None,
    method: Any = "GET",
    query: Any = None,
    body: Any = None,
    content_type: Any = None,
    headers: Any = None,
    options: Any = None,
    accept: Any = None,
) -> Any:
    """The body of the response to a request, parsed where it is JSON."""
    kind = JSON if content_type is None else as_text(content_type)
    address = _address(as_text(given("http", "uri", uri)), _map("query", query))
    sent = _headers(_map("headers", headers), JSON if accept is None else as_text(accept))
    return scope.look_up(
        "http",
        as_text(method).upper(),
        address,
        sent,
        kind,
        None if body is None else _body(scope, body, kind),
        to_json(_map("options", options), scope),
    )


def _map(argument: str, value: Any) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ExpressionError(f"The argument '{argument}' of http must be a map, but is {kind_of(value)}")
    return value


def _address(uri: str, query: Mapping[Any, Any]) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ExpressionError(f"'{uri[:200]}' is not an address: it must begin with http:// or https://")
    added = urlencode([(as_text(key), value) for key, item in query.items() for value in _values(item)])
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, added))), fragment=""))


def _headers(headers: Mapping[Any, Any], accept: str) -> Headers:
    """Headers as pairs of name and values; the content type goes with the body."""
    kept = [(as_text(name), tuple(_values(value))) for name, value in headers.items()]
    sent = [(name, values) for name, values in kept if name.lower() not in ("content-type", "accept")]
    return (("Accept", (accept,)), *sent)


def _values(value: Any) -> list[str]:
    return [as_text(item) for item in value] if isinstance(value, list | tuple) else [as_text(value)]


def _body(scope: RenderScope, body: Any, kind: str) -> str:
    media = kind.partition(";")[0].strip().lower()
    if isinstance(body, str):
        return body
    if media == FORM and isinstance(body, Mapping):
        return urlencode([(as_text(key), value) for key, item in body.items() for value in _values(item)])
    if media in YAML:
        return dump(scope, body)
    if media == JSON or media.endswith("+json"):
        return to_json(body, scope)
    if media.startswith("text/"):
        return as_text(body)
    raise ExpressionError(f"The body of http can't be written as '{kind}': give it as a text")
