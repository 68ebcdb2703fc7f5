"""Time, size, depth and counts."""

from __future__ import annotations

import time

import pytest

from engine.errors import LimitError
from engine.expressions import environment
from engine.expressions.limits import Budget, TooSlow
from engine.expressions.template import Scope, render
from engine.settings import Expressions

BRIEF = Expressions(seconds=0.3)


def rendered(source: str, limits: Expressions = BRIEF, **variables: object) -> str:
    return render(source, Scope(variables, budget=Budget(limits)))


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in 1..1000000 %}{% for j in 1..1000000 %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% for i in 1..100 %}{{ m2(n) }}{% endfor %}{% endmacro %}"
        "{% macro m2(n) %}{% for i in 1..100 %}{{ m3(n) }}{% endfor %}{% endmacro %}"
        "{% macro m3(n) %}{% for i in 1..1000000 %}{% endfor %}{% endmacro %}{{ m(1) }}",
    ],
)
def test_time_runs_out(source: str) -> None:
    started = time.monotonic()
    with pytest.raises(LimitError, match=r"timed out after 0\.3 s"):
        rendered(source)
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ 1..1000000000000 }}", "1000000000000 items"),
        ("{{ range(1, 1000000000000) }}", "items|maximum"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested more than 100 levels"),
        ("{% block b %}{{ block('b') }}{% endblock %}", "nested more than 100 levels"),
        ("{% set x = 'ab' %}{% for i in 1..99 %}{% set x = x ~ x %}{% endfor %}", "maximum allowed size"),
        ("{% set x = 'ab' %}{% for i in 1..99 %}{% set x = x + x %}{% endfor %}", "maximum allowed size"),
        ("{% set x = [1] %}{% for i in 1..99 %}{% set x = x + x %}{% endfor %}", "exceeds the maximum"),
        ("{% set x = [1] %}{% for i in 1..5000 %}{% set x = [x] %}{% endfor %}{{ x }}", "too deep"),
    ],
)
def test_size_and_depth(source: str, reason: str) -> None:
    with pytest.raises(LimitError, match=reason):
        rendered(source, Expressions(seconds=5))


def test_the_output_may_only_be_so_large() -> None:
    with pytest.raises(LimitError, match="maximum allowed size of 10 bytes"):
        rendered("{% for i in 1..100 %}xx{% endfor %}", Expressions(output_bytes=10))
    assert rendered("{% for i in 1..5 %}xx{% endfor %}", Expressions(output_bytes=10)) == "x" * 10


def test_limits_cannot_be_caught_by_a_template() -> None:
    with pytest.raises(LimitError):
        rendered("{{ (1..1000000000000) ?? 'z' }}")


def test_a_brief_budget_gives_up_before_long_work() -> None:
    budget = Budget(Expressions(), 0.05, brief=True)
    started = time.monotonic()
    with pytest.raises(TooSlow):
        render("{% for i in 1..1000000 %}x{% endfor %}", Scope({}, budget=budget))
    assert time.monotonic() - started < 0.1


def test_a_stopped_budget_ends_the_rendering() -> None:
    budget = Budget(Expressions())
    budget.stop()
    with pytest.raises(LimitError):
        budget.spend(1)


def test_the_cache_of_templates_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, environment.Template] = {}
    monkeypatch.setattr(environment, "CACHED", 3)
    monkeypatch.setattr(environment, "_ready", known)
    for number in range(10):
        environment.compiled(f"{{{{ {number} }}}}", lambda cost: None)
    assert len(known) == 3
    assert environment.compiled("{{ 9 }}", lambda cost: None) is known["{{ 9 }}"]
