"""Rendering of texts and of structures that hold texts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec

from engine import ids
from engine.clock import SystemClock, to_datetime
from engine.errors import ExpressionError, LimitError
from engine.expressions.environment import Template, compiled, located
from engine.expressions.limits import Budget
from engine.expressions.masks import SHORTEST, forms
from engine.expressions.needs import Deferred, Found, Missing, Need, Needs
from engine.expressions.output import show
from engine.settings import Expressions

Frames = list[dict[str, Any]]
Seen = tuple[Frames, Mapping[str, Any]]

NOTHING_FOUND: Found = {}
LONG = 10_000
SECRET_KINDS = frozenset({"secret", "credential", "sealed"})
ATTEMPTS = 100
SHIELD = "\ue000{}\ue001"
MISTAKES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What Python raises where a filter or function meets a value that it isn't made for."""


class Moment:
    """The time and the seed of one rendering, the same in all its passes."""

    __slots__ = ("_clock", "_now", "_seed")

    def __init__(self, now: int | None = None, seed: int | None = None) -> None:
        self._now = now
        self._seed = seed

    def now(self) -> datetime:
        if self._now is None:
            self._now = SystemClock().now()
        return to_datetime(self._now)

    def seed(self) -> int:
        if self._seed is None:
            self._seed = ids.random_seed()
        return self._seed


class Scope:
    """All that one pass over a template knows and may use.

    variables: what templates see by name; a `Deferred` anywhere inside is fetched when a template looks at it
    found: answers to needs of earlier passes
    budget: time and size left, by default those of the default settings
    zone, locale: of dates and numbers; UTC and en_US by default
    options: what single functions ask for by name
    masks: collects texts that must not show in logs
    """

    _random: random.Random | None = None
    depth = 0
    protected: list[str] | None = None
    replaced: dict[int, tuple[Any, Any]] | None = None
    tainted = False

    def __init__(
        self,
        variables: Mapping[str, Any],
        *,
        found: Found = NOTHING_FOUND,
        budget: Budget | None = None,
        zone: tzinfo = UTC,
        locale: str = "en_US",
        options: Mapping[str, Any] | None = None,
        masks: set[str] | None = None,
        moment: Moment | None = None,
    ) -> None:
        self.variables = variables
        self.visible = variables
        self.frames: Frames = [{}]
        self.found = found
        self.budget = budget or Budget(Expressions())
        self.zone = zone
        self.locale = locale
        self.options = options or {}
        self.masks = masks
        self.moment = moment or Moment()

    def look_up(self, kind: str, *arguments: Any) -> Any:
        """The answer to a need. Raises Needs when it isn't there yet, ExpressionError when it failed."""
        need = Need(kind, arguments)
        try:
            answer = self.found[need]
        except KeyError:
            raise Needs(need) from None
        if isinstance(answer, Missing):
            raise ExpressionError(answer.message)
        if kind in SECRET_KINDS:
            self.tainted = True
            if isinstance(answer, str) and self.masks is not None:
                self.masks |= forms(answer)
        return answer

    def fetch(self, value: Deferred) -> Any:
        """What a deferred value stands for."""
        return self.look_up(value.need.kind, *value.need.arguments)

    def spend(self, cost: int) -> None:
        """Count work. Raises LimitError or TooSlow when the time is over."""
        self.budget.spend(cost)

    def timeout(self) -> float:
        """Seconds left for one operation that can't be interrupted otherwise."""
        return self.budget.left()

    def mask(self, text: str) -> None:
        """Remember a text that must not show in logs, nor, unless it is a long one, what it becomes in other forms."""
        if self.masks is not None and len(text) >= SHORTEST:
            self.masks |= forms(text) if len(text) <= LONG else {text}

    def now(self) -> datetime:
        """The time of this rendering."""
        return self.moment.now()

    def random(self) -> random.Random:
        """A generator that gives the same numbers in each pass of this rendering."""
        if self._random is None:
            self._random = ids.seeded(self.moment.seed())
        return self._random

    def replace(self, old: list[Any], new: list[Any]) -> None:
        """Let the template see `new` where it saw `old`; the variable itself stays as it is."""
        if self.replaced is None:
            self.replaced = {}
        self.replaced[id(old)] = (old, new)

    def replacement(self, value: list[Any]) -> list[Any]:
        """The list that took the place of another."""
        assert self.replaced is not None
        known = self.replaced.get(id(value))
        return value if known is None else known[1]

    def printed_secret(self, text: str) -> str:
        """A printed text that came from a secret: masked, and never rendered again."""
        self.tainted = False
        self._mask_all(text)
        return self.protect(text)

    def kept_secret(self, value: Any) -> Any:
        """A value that came from a secret: the texts in it are masked."""
        self.tainted = False
        self._mask_all(value)
        return value

    def _mask_all(self, value: Any) -> None:
        if isinstance(value, str):
            if value not in ("true", "false") and not value.lstrip("-").replace(".", "", 1).isdecimal():
                self.mask(value)
        elif isinstance(value, dict | list | tuple):
            for item in value.values() if isinstance(value, dict) else value:
                self._mask_all(item)

    def protect(self, text: str) -> str:
        """A stand-in for text that later passes must leave alone; the text itself where there are none."""
        if self.protected is None:
            return text
        self.protected.append(text)
        return SHIELD.format(len(self.protected) - 1)

    def descend(self, frames: Frames, visible: Mapping[str, Any]) -> Seen:
        """Go one level down, seeing other variables; what was seen is returned for `ascend`."""
        limit = self.budget.limits.depth
        if self.depth >= limit:
            raise LimitError(f"Macros, blocks and render() are nested more than {limit} levels deep")
        self.spend(1)
        seen = (self.frames, self.visible)
        self.depth += 1
        self.frames, self.visible = frames, visible
        return seen

    def ascend(self, seen: Seen) -> None:
        self.depth -= 1
        self.frames, self.visible = seen


def holds_template(text: str) -> bool:
    """Whether a text has something to render."""
    return "{" in text and ("{{" in text or "{%" in text or "{#" in text)


def render(template: str, scope: Scope) -> str:
    """The text of a template. Raises ExpressionError with the place in the template, Needs, TooSlow."""
    if not holds_template(template):
        return template
    if scope.budget.limits.recursive:
        return settled(template, scope)
    return once(template, scope)


def render_typed(template: str, scope: Scope) -> Any:
    """The value of a template that is one expression; else its text, or the map that the text is as JSON."""
    if not holds_template(template):
        return template
    ready = compiled(template, scope.budget.spend)
    if ready.value is not None and not scope.budget.limits.recursive:
        scope.tainted = False
        value = _run(ready, ready.value, scope)
        return scope.kept_secret(value) if scope.tainted else value
    text = render(template, scope)
    return _parsed(text) if text.lstrip()[:1] == "{" else text


def render_structure(value: Any, scope: Scope, typed: bool = False) -> Any:
    """A copy of a structure with all texts rendered, keys too. All needs of its texts are raised together.

    A text inside that is a single expression of null becomes null; with `typed` every single expression keeps its type.
    """
    if isinstance(value, str):
        return render_typed(value, scope) if typed else render(value, scope)
    needs: dict[Need, None] = {}
    rendered = _structure(value, scope, render_typed if typed else _nullable, needs)
    if needs:
        raise Needs(*needs)
    return rendered


def once(template: str, scope: Scope) -> str:
    """One pass over a template."""
    ready = compiled(template, scope.budget.spend)
    text: str = _run(ready, ready.text, scope, show)
    return text


def settled(template: str, scope: Scope) -> str:
    """Passes over a template and what it gives, until nothing changes. Raises LimitError after too many."""
    outermost = scope.protected is None
    if outermost:
        scope.protected = []
    text = template
    try:
        for _ in range(ATTEMPTS):
            before, text = text, once(text, scope) if holds_template(text) else text
            if text == before:
                return _unshielded(text, scope) if outermost else text
        raise LimitError(f"Too many rendering attempts: the text still changes after {ATTEMPTS}", template, 1)
    finally:
        if outermost:
            scope.protected = None


def _unshielded(text: str, scope: Scope) -> str:
    for index in range(len(scope.protected or ()) - 1, -1, -1):
        assert scope.protected is not None
        text = text.replace(SHIELD.format(index), scope.protected[index])
    return text


def _nullable(template: str, scope: Scope) -> str | None:
    if not holds_template(template):
        return template
    ready = compiled(template, scope.budget.spend)
    if ready.value is None or scope.budget.limits.recursive:
        return render(template, scope)
    value = _run(ready, ready.value, scope)
    return None if value is None else show(scope, value)


def _structure(value: Any, scope: Scope, leaf: Callable[[str, Scope], Any], needs: dict[Need, None]) -> Any:
    if isinstance(value, str):
        try:
            return leaf(value, scope)
        except Needs as missing:
            needs.update(dict.fromkeys(missing.needs))
            return None
    if isinstance(value, Mapping):
        return {
            _structure(key, scope, render, needs) if isinstance(key, str) else key: _structure(item, scope, leaf, needs)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_structure(item, scope, leaf, needs) for item in value]
    return value


def _parsed(text: str) -> Any:
    """The map that a text is as JSON, else the text. Raises ExpressionError for two maps side by side."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        if "trailing characters" in str(error) and text.rstrip().endswith("}"):
            raise ExpressionError("Two maps side by side are no value; put them into a list", text[:200], 1) from None
        return text


def _run(ready: Template, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except ExpressionError as error:
        if not error.template:
            located(error, ready.source, ready.line_of(error.__traceback__))
        raise
    except (RecursionError, MemoryError) as error:
        raise located(LimitError("Rendering went too deep or needs too much memory"), ready.source, 1) from error
    except MISTAKES as error:
        line = ready.line_of(error.__traceback__)
        raise located(ExpressionError(str(error) or type(error).__name__), ready.source, line) from error
