"""Rendering without ever holding the event loop for long.

A rendering starts on the loop with a small slice of time. What it needs from elsewhere is fetched between its passes.
When the slice is not enough it goes on in a thread, with all the time that the settings give.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import tzinfo
from types import TracebackType
from typing import Any

import anyio
import anyio.to_thread

from engine.clock import local_zone, monotonic
from engine.errors import LimitError
from engine.expressions import registry
from engine.expressions.limits import Budget, TooSlow
from engine.expressions.needs import Found, Need, Needs
from engine.expressions.template import Moment, Scope, holds_template, render_structure
from engine.runtime.rendering.jq import JqHelpers
from engine.settings import Expressions

__all__ = ["Renderer", "TooSlow"]

THREADS = 4

LookUp = Callable[[Need], Awaitable[Any]]


class Renderer:
    """Renders texts and structures; an async context manager that owns helper processes.

    zone: of dates that name none, by default that of the machine
    """

    def __init__(self, limits: Expressions, zone: tzinfo | None = None) -> None:
        self.limits = limits
        self.zone = zone or local_zone()
        self.jq = JqHelpers(limits.output_bytes)
        self.threads = anyio.CapacityLimiter(THREADS)

    async def __aenter__(self) -> Renderer:
        # Now, because the first template would hold the loop while all functions are imported.
        registry.load()
        await self.jq.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.jq.__aexit__(kind, error, traceback)

    def render_now(self, source: Any, variables: Mapping[str, Any], *, typed: bool = False) -> Any:
        """`source` rendered at once. Raises ExpressionError; Needs and TooSlow where `render` is the way."""
        if not _to_render(source):
            return source
        return render_structure(source, Scope(variables, budget=self.slice(), zone=self.zone), typed)

    async def render(
        self,
        source: Any,
        variables: Mapping[str, Any],
        *,
        typed: bool = False,
        look_up: LookUp,
        masks: set[str] | None = None,
    ) -> Any:
        """`source`, a text or a structure that holds texts, rendered.

        typed: whether a text that is a single expression keeps the type of its value
        look_up: answers needs, with `Missing` where it can't
        masks: collects texts that must not show in logs

        Raises ExpressionError; LimitError when it takes more than the settings give.
        """
        if not _to_render(source):
            return source
        return await _Rendering(self, source, variables, typed, look_up, masks).run()

    def slice(self) -> Budget:
        """What a pass on the loop may use."""
        return Budget(self.limits, self.limits.slice_seconds, brief=True)


class _Rendering:
    """One rendering: its passes and what they have found so far."""

    def __init__(
        self,
        renderer: Renderer,
        source: Any,
        variables: Mapping[str, Any],
        typed: bool,
        look_up: LookUp,
        masks: set[str] | None,
    ) -> None:
        self._renderer = renderer
        self._source = source
        self._variables = variables
        self._typed = typed
        self._look_up = look_up
        self._masks = masks
        self._moment = Moment()
        self._snapshot = Snapshot(variables)
        self._found: dict[Need, Any] = {}
        self._seconds = renderer.limits.seconds

    async def run(self) -> Any:
        threaded = False
        while self._seconds > 0:
            started = monotonic()
            try:
                if threaded:
                    return await self._in_thread()
                return self._pass(self._variables, self._renderer.slice())
            except TooSlow:
                threaded = True
            except Needs as missing:
                self._seconds -= monotonic() - started
                for need in missing.needs:
                    self._found[need] = await self._answer(need)
        raise LimitError(f"Rendering timed out after {self._renderer.limits.seconds:g} s")

    def _pass(self, variables: Mapping[str, Any], budget: Budget) -> Any:
        found: Found = self._found
        scope = Scope(
            variables,
            found=found,
            budget=budget,
            zone=self._renderer.zone,
            masks=self._masks,
            moment=self._moment,
        )
        return render_structure(self._source, scope, self._typed)

    async def _in_thread(self) -> Any:
        """A pass in a thread, on variables that no longer change. Being cancelled ends the pass soon after."""
        budget = Budget(self._renderer.limits, self._seconds)
        try:
            return await anyio.to_thread.run_sync(
                self._pass, self._snapshot, budget, abandon_on_cancel=True, limiter=self._renderer.threads
            )
        finally:
            budget.stop()

    async def _answer(self, need: Need) -> Any:
        if need.kind != "jq":
            return await self._look_up(need)
        started = monotonic()
        program, document = need.arguments
        try:
            return await self._renderer.jq.run(program, document, self._seconds)
        finally:
            self._seconds -= monotonic() - started


class Snapshot(Mapping[str, Any]):
    """Variables as they are at first look, safe to read in a thread while the loop changes the originals."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables
        self._taken: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._taken:
            self._taken[name] = _copied(self._variables[name])
        return self._taken[name]

    def __contains__(self, name: object) -> bool:
        return name in self._variables

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._variables))

    def __len__(self) -> int:
        return len(self._variables)


def _copied(value: Any) -> Any:
    # dict() and list() of plain containers run without giving up the interpreter lock: each level is consistent.
    if type(value) is dict:
        return {key: _copied(item) for key, item in dict(value).items()}
    if type(value) is list:
        return [_copied(item) for item in list(value)]
    return value


def _to_render(value: Any) -> bool:
    """Whether any text in a value, also as a key, has something to render."""
    if isinstance(value, str):
        return holds_template(value)
    if isinstance(value, Mapping):
        return any(_to_render(key) or _to_render(item) for key, item in value.items())
    return isinstance(value, list | tuple) and any(_to_render(item) for item in value)
