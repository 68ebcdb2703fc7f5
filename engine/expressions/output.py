"""What the source of a template calls to print and to combine: the parts of a text, lazy operands, macros, blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from engine.errors import ExpressionError, UndefinedError
from engine.expressions.access import Entry, whole
from engine.expressions.operators import add, truth
from engine.expressions.printing import to_java, to_text
from engine.expressions.registry import FILTERS, FUNCTIONS, TESTS
from engine.nearness import did_you_mean, near_names

if TYPE_CHECKING:
    from engine.expressions.template import Scope, Seen

Show = Callable[["Scope", Any], str]
MEASURED_EVERY = 1000
NOTHING: Mapping[str, Any] = {}


class Output(list[str]):
    """The parts of a text; their size is watched while they are gathered."""

    __slots__ = ("_measured", "_scope", "_size")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._measured = 0
        self._size = 0

    def measure(self) -> None:
        """Look at the size now and then. Raises LimitError."""
        if len(self) - self._measured > MEASURED_EVERY:
            self._count()

    def text(self) -> str:
        """The text. Raises LimitError when it is too large."""
        self._count()
        return "".join(self)

    def _count(self) -> None:
        new = self[self._measured :]
        self._size += max(sum(map(len, new)), len(new) // 8)
        self._measured = len(self)
        self._scope.budget.text(self._size)


def joined(scope: Scope, *parts: str) -> str:
    """The text of its parts. Raises LimitError when it is too large."""
    scope.budget.text(sum(map(len, parts)))
    return "".join(parts)


def show(scope: Scope, value: Any) -> str:
    """How a value prints: maps and lists as JSON, null as nothing."""
    if type(value) is str:
        text = value
    elif value is None:
        text = ""
    elif type(value) is int:
        text = int.__repr__(value)
    else:
        text = to_java(value, scope) if type(value) is Entry else to_text(whole(scope, value), scope)
    return scope.printed_secret(text) if scope.tainted else text


def java(scope: Scope, value: Any) -> str:
    """How a value prints inside macros, called blocks and filter tags: maps and lists as Java writes them."""
    if type(value) is str:
        text = value
    elif value is None:
        text = ""
    else:
        text = to_java(whole(scope, value), scope)
    return scope.printed_secret(text) if scope.tainted else text


def raw(scope: Scope, text: str) -> str:
    """Text that no later pass renders again."""
    return scope.protect(text)


def concat(scope: Scope, *values: Any) -> str:
    """`a ~ b`: texts one after the other, null as nothing."""
    parts = [value if type(value) is str else "" if value is None else to_java(value, scope) for value in values]
    scope.budget.text(sum(map(len, parts)))
    return "".join(parts)


def added(scope: Scope, left: Any, right: Any) -> Any:
    """`a + b`, with an eye on the size of the result."""
    if isinstance(left, str) or isinstance(right, str):
        scope.budget.text(sum(len(side) for side in (left, right) if isinstance(side, str)))
    result = add(left, right)
    if isinstance(result, list):
        scope.budget.items(len(result))
    return result


def span(scope: Scope, start: Any, stop: Any) -> list[Any]:
    """`start..stop`, both included."""
    if isinstance(start, str) and isinstance(stop, str) and len(start) == len(stop) == 1:
        return [chr(code) for code in range(ord(start), ord(stop) + 1)]
    return list(counted(scope, start, stop))


def counted(scope: Scope, start: Any, stop: Any) -> range:
    """The integers from `start` to `stop`, both included, as a loop runs over them."""
    if type(start) is not int or type(stop) is not int:
        raise ExpressionError("'..' needs integers on both sides")
    scope.budget.items(max(stop - start + 1, 0))
    return range(start, stop + 1)


def mapping(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """A map literal."""
    try:
        return dict(pairs)
    except TypeError:
        raise ExpressionError("The keys of a map must be texts, numbers or booleans") from None


def tested(scope: Scope, value: Any) -> bool:
    """The condition of `if`; a secret that only decided what is printed taints nothing."""
    scope.tainted = False
    return truth(value)


def defined(value: Callable[[], Any]) -> bool:
    """`is defined`: neither undefined nor null."""
    try:
        return value() is not None
    except UndefinedError:
        return False


def coalesce(left: Callable[[], Any], right: Callable[[], Any]) -> Any:
    """`left ?? right`"""
    try:
        value = left()
    except UndefinedError:
        return right()
    return right() if value is None else value


def coalesce_undefined(left: Callable[[], Any], right: Callable[[], Any]) -> Any:
    """`left ??? right`"""
    try:
        return left()
    except UndefinedError:
        return right()


def unknown(kind: str, name: str) -> NoReturn:
    """Called in place of what nobody registered."""
    known: Mapping[str, Iterable[str]] = {"filter": FILTERS, "function": FUNCTIONS, "test": TESTS}
    raise ExpressionError(f"The {kind} '{name}' does not exist{did_you_mean(near_names(name, known[kind]))}")


def block(scope: Scope, blocks: Mapping[str, Callable[[Scope, Show], str]], name: Any = None) -> str:
    """`block('name')`: the text of a block of this template."""
    found = blocks.get(name) if isinstance(name, str) else None
    if found is None:
        raise ExpressionError(f"The block '{name}' does not exist in this template")
    seen = scope.descend([*scope.frames], scope.visible)
    try:
        return found(scope, java)
    finally:
        scope.ascend(seen)


def enter(
    scope: Scope,
    macro: str,
    defaults: dict[str, Callable[[], Any]],
    arguments: tuple[Any, ...],
    named: Mapping[str, Any],
) -> Seen:
    """Hide all variables but the arguments of a macro; what was visible is returned for `Scope.ascend`."""
    if len(arguments) > len(defaults):
        raise ExpressionError(f"The macro '{macro}' takes at most {len(defaults)} arguments, but got {len(arguments)}")
    given = dict(zip(defaults, arguments, strict=False))
    for key, value in named.items():
        if key not in defaults or key in given:
            raise ExpressionError(f"The macro '{macro}' takes no argument '{key}'")
        given[key] = value
    frame = {key: given[key] if key in given else default() for key, default in defaults.items()}
    return scope.descend([frame], NOTHING)
