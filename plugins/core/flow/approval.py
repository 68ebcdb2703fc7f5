"""Waiting for a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.plugin import Block, Kind, RawTask, Shape
from plugins.core.flow.pause import Duration, Place

BEHAVIORS = ("CONTINUE", "WARN", "FAIL", "SUCCEED", "CANCEL", "KILL")
CHOICES = {
    "commentRequired": ("NEVER", "ALWAYS", "ON_DENY", "ON_APPROVE"),
    "approveBehavior": BEHAVIORS,
    "denyBehavior": BEHAVIORS,
    "expireBehavior": BEHAVIORS,
}


class Decisions(BaseModel):
    """What the two answers are called."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    approve: str = "Approve"
    deny: str = "Deny"


class Approval(Block):
    """Wait until somebody approves or denies, or until a time is over; then run the tasks for that decision.

    Outputs: `decision` (APPROVED, DENIED, EXPIRED), `auto`: nobody was asked, `by`, `on`, `comment`, `inputs`: what the
    reviewer gave, `due`: until when it waits, `url`: path of the execution in the user interface; `onWait` sees it.

    A behavior says what follows a decision once its tasks have run: CONTINUE, end as WARN or FAIL, CANCEL the flow or
    let it SUCCEED here (what runs beside goes on to its end), or KILL the execution at once. Where one of those tasks
    fails, the Approval fails, whatever the behavior.
    """

    inputs: list[dict[str, Any]] | None = Field(None, description="Inputs to be given with the decision.")
    decisions: Decisions = Field(Decisions(), description="What approving and denying are called for the reviewer.")
    comment_required: str = Field("NEVER", description="Whether a comment is due: NEVER, ALWAYS, ON_DENY, ON_APPROVE.")
    auto_approve: bool | str = Field(False, description="Approve without asking anybody; an expression says when.")
    timeout: Duration | None = Field(None, description="How long it waits at most, as PT24H; then it is EXPIRED.")
    approve_behavior: str = Field("CONTINUE", description="What follows an approval.")
    deny_behavior: str = Field("CANCEL", description="What follows a denial.")
    expire_behavior: str = Field("CANCEL", description="What follows when nobody decided in time.")
    on_wait: list[RawTask] | None = Field(None, description="Tasks to run before it waits, as one that tells somebody.")
    on_approve: list[RawTask] | None = Field(None, description="Tasks to run when it was approved.")
    on_deny: list[RawTask] | None = Field(None, description="Tasks to run when it was denied.")

    def shape(self) -> Shape:
        """A branch before the wait, and one for each decision."""
        terms = {
            "autoApprove": self.auto_approve,
            "timeout": self.timeout,
            "commentRequired": self.comment_required,
            "approveBehavior": self.approve_behavior,
            "denyBehavior": self.deny_behavior,
            "expireBehavior": self.expire_behavior,
        }
        return Shape(Kind.APPROVAL, ask=terms, inputs=("inputs", self.inputs))

    @classmethod
    def lists(cls, raw: Mapping[str, Any]) -> Iterator[tuple[str, Place, Any]]:
        """The lists of tasks, in the order in which they may run."""
        for name in ("onWait", "onApprove", "onDeny", "errors", "finally"):
            yield name, (name,), raw.get(name)

    def diagnose(self) -> Iterator[tuple[Place, str]]:
        """Choices that exist; one that is an expression is seen when it is reached."""
        said = self.model_dump(by_alias=True, include={"comment_required", *_BEHAVIOR_FIELDS})
        for name, text in said.items():
            if "{{" not in text and text not in CHOICES[name]:
                yield (name,), f"must be one of {', '.join(CHOICES[name])}, but is '{text}'"


_BEHAVIOR_FIELDS = ("approve_behavior", "deny_behavior", "expire_behavior")
