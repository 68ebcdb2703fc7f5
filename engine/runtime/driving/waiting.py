"""What blocks that wait for somebody need to know: how long, and what then. Each from its rendered properties."""

from __future__ import annotations

from typing import Any

from engine.durations import parse_duration
from engine.errors import ExpressionError
from engine.executor.approval import APPROVED, COMMENTED, DENIED, EXPIRED
from engine.executor.lanes import truthy

PAUSE_BEHAVIORS = ("RESUME", "WARN", "CANCEL", "FAIL")
APPROVAL_BEHAVIORS = ("CONTINUE", "WARN", "FAIL", "SUCCEED", "CANCEL", "KILL")
BEHAVIOR_OF = {APPROVED: "approveBehavior", DENIED: "denyBehavior", EXPIRED: "expireBehavior"}


def pause_times(rendered: dict[str, Any]) -> dict[str, Any]:
    """How long a Pause lasts (`duration`, milliseconds, None: until resumed), and what comes `then`.

    Raises ExpressionError.
    """
    duration, timeout = _milliseconds(rendered, "pauseDuration"), _milliseconds(rendered, "timeout")
    behavior = _one_of(rendered, "behavior", PAUSE_BEHAVIORS)
    if duration is not None:
        return {"duration": duration, "then": behavior}
    return {"duration": timeout, "then": "RESUME" if timeout is None else "FAIL"}


def approval_terms(rendered: dict[str, Any]) -> dict[str, Any]:
    """The terms of an Approval: whether it approves itself (`auto`), its `timeout` in milliseconds or None, who must
    `comment`, and what comes `then` by decision.

    Raises ExpressionError.
    """
    return {
        "auto": truthy(rendered["autoApprove"]),
        "timeout": _milliseconds(rendered, "timeout"),
        "comment": _one_of(rendered, "commentRequired", tuple(COMMENTED)),
        "then": {decision: _one_of(rendered, name, APPROVAL_BEHAVIORS) for decision, name in BEHAVIOR_OF.items()},
    }


def _milliseconds(rendered: dict[str, Any], name: str) -> int | None:
    text = rendered[name]
    try:
        return parse_duration(str(text)) if text not in (None, "") else None
    except ValueError as error:
        raise ExpressionError(f"{name} {error}") from None


def _one_of(rendered: dict[str, Any], name: str, known: tuple[str, ...]) -> str:
    """A text in capital letters; the first of the known ones where it rendered to nothing."""
    text = str(rendered[name] or known[0]).strip().upper()
    if text not in known:
        raise ExpressionError(f"{name} must be one of {', '.join(known)}, but is '{text}'")
    return text
