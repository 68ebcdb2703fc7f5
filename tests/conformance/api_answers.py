"""Checks what the tables say of an answer of the API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from conformance.flow_cases import Unbound
from conformance.flow_matching import difference

ALL_ENABLED = "not empty, all enabled"
REMARKS = frozenset({"note", "timing", "execution", "executions", "both_state_not"})
"""What is no claim about the answer itself."""


class Answer:
    """An answer: its status, its body, and what placeholders stand for."""

    def __init__(self, status: int, body: bytes, names: Mapping[str, Any]) -> None:
        self.status = status
        self.body = body
        self.names = names

    @cached_property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @cached_property
    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def is_execution(self) -> bool:
        return isinstance(self.json, dict) and {"id", "flowId", "state"} <= self.json.keys()

    @cached_property
    def events(self) -> list[Any]:
        """The data of the events of a stream."""
        lines = [line.removeprefix("data:") for line in self.text.splitlines() if line.startswith("data:")]
        return [json.loads(line) for line in lines]

    @property
    def message(self) -> str:
        return str(self.json.get("message", "")) if isinstance(self.json, dict) else self.text


def problems_of(answer: Answer, expect: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an answer. Raises Unbound for what has no check."""
    if not expect.keys() & {"status", "error", *ERRORS} and answer.status >= 400:
        yield f"the status is {answer.status}: {answer.text[:300]}"
        return
    for key, wanted in expect.items():
        if key in REMARKS:
            continue
        problem = CHECKS[key](answer, wanted) if key in CHECKS else _of_body(answer, {key: wanted})
        if problem:
            yield f"{key}: {problem}"


def _status(answer: Answer, wanted: int) -> str:
    # Nothing is asked of the body of a success: 204 says that there is none.
    fits = answer.status == wanted or {answer.status, wanted} <= {200, 204}
    return "" if fits else f"is {answer.status}, not {wanted}: {answer.text[:300]}"


def _error(answer: Answer, wanted: bool) -> str:
    return "" if (answer.status >= 400) is wanted else f"the status is {answer.status}"


def _contains(text: str, wanted: str | Sequence[str]) -> str:
    lacks = [part for part in ([wanted] if isinstance(wanted, str) else wanted) if part not in text]
    return f"is {text[:500]!r}, which lacks {lacks}" if lacks else ""


def _error_contains(answer: Answer, wanted: str) -> str:
    for name, value in answer.names.items():
        wanted = wanted.replace(f"<{name}>", str(value))
    return _error(answer, True) or _contains(answer.message, wanted)


def _body(answer: Answer, wanted: Any) -> str:
    if wanted is None:
        return f"is {answer.text[:300]}" if answer.body else ""
    return _of_body(answer, wanted)


def _of_body(answer: Answer, wanted: Any) -> str:
    body = answer.json
    if body is None:
        return f"the body is no JSON: {answer.text[:300]!r}"
    return difference(_plain(body, wanted), wanted, answer.names)


def _plain(body: Any, wanted: Any) -> Any:
    """A body with what the tables say of it in words of their own."""
    if isinstance(body, list) and isinstance(wanted, list) and len(body) == len(wanted):
        return [_plain(*pair) for pair in zip(body, wanted, strict=True)]
    if not isinstance(body, dict) or not isinstance(wanted, Mapping):
        return body
    if unknown := [key for key in wanted if key not in body and " " in str(key)]:
        raise Unbound(f"nothing looks at {unknown} of an answer")
    found = {key: DERIVED[key](body) for key in wanted if key in DERIVED}
    whole = {**{key: None for key in wanted if wanted[key] is None}, **body, **found}
    if isinstance(body.get("state"), dict):
        whole["state"] = body["state"]["current"]
    for key, item in wanted.items():
        if item == ALL_ENABLED:
            whole[key] = ALL_ENABLED if body[key] and all(part["enabled"] for part in body[key]) else body[key]
        elif key not in DERIVED and isinstance(item, str) and " " in item and not isinstance(body.get(key), str):
            raise Unbound(f"nothing compares an answer with '{item}'")
    return whole


def _runs(body: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    return {
        index: {**run, "state": run["state"]["current"], "attempts": len(run.get("attempts", ()))}
        for index, run in enumerate(body["taskRunList"])
    }


DERIVED: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "task_runs": lambda body: len(body["taskRunList"]),
    "task_runs_by_index": _runs,
    "state_history_count": lambda body: len(body["state"]["histories"]),
    "new_id": lambda body: body["id"] != body["originalId"],
    "labels_contain": lambda body: {label["key"]: label["value"] for label in body.get("labels", ())},
    "tasks_count": lambda body: len(body["tasks"]),
    "triggers_count": lambda body: len(body["triggers"]),
    "result_json": lambda body: json.loads(body["result"]) if body["result"].startswith("{") else body["result"],
    "first_input": lambda body: body["inputs"][0]["id"],
}
"""What is said of an answer, by words that are no fields of it."""


def _count(answer: Answer, wanted: Any) -> str:
    return difference(len(answer.json), wanted, answer.names)


def _events(answer: Answer, wanted: Any) -> str:
    return difference(len(answer.events), wanted, answer.names)


def _last_event(answer: Answer, wanted: Any) -> str:
    return difference(_plain(answer.events[-1], wanted), wanted, answer.names) if answer.events else "there is none"


def _sorted_ids(answer: Answer, wanted: Sequence[str]) -> str:
    return difference(sorted(item["id"] for item in answer.json), sorted(wanted), answer.names)


CHECKS: Mapping[str, Callable[[Answer, Any], str]] = {
    "status": _status,
    "error": _error,
    "error_contains": _error_contains,
    "error_is": lambda answer, wanted: _error(answer, True) or difference(answer.message, wanted, answer.names),
    "body": _body,
    "body_is": lambda answer, wanted: difference(answer.text, wanted, answer.names),
    "body_contains": lambda answer, wanted: _contains(answer.text, wanted),
    "body_count": _count,
    "body_ids_any_order": _sorted_ids,
    "events": _events,
    "last_event": _last_event,
}
ERRORS = frozenset({"error_contains", "error_is"})
