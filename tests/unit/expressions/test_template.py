"""Texts, typed values and structures."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ExpressionError, LimitError, UndefinedError
from engine.expressions.limits import Budget
from engine.expressions.needs import Need, Needs
from engine.expressions.template import Moment, Scope, render, render_structure, render_typed
from engine.settings import Expressions

SECRET = Need("secret", ("key",))


def test_text_without_a_template_is_returned_as_it_is() -> None:
    for text in ("", "plain", "{ json: 1 }", "a } b {", "100 %"):
        assert render(text, Scope({})) is text
        assert render_typed(text, Scope({})) is text


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ a }}", 1),
        ("{{ l }}", [1, {"k": None}]),
        ("{{ n }}", None),
        ("{{ a }}{{ a }}", "11"),
        (" {{ a }}", " 1"),
        ("{# c #}{{ a }}", 1),
        ('{"a": {{ l }} }', {"a": [1, {}]}),
        ("{ {{ a }} }", "{ 1 }"),
        ("{% if a == 1 %}{{ a }}{% endif %}", "1"),
    ],
)
def test_typed(source: str, value: Any) -> None:
    assert render_typed(source, Scope({"a": 1, "l": [1, {"k": None}], "n": None})) == value


def test_two_maps_side_by_side_are_no_value() -> None:
    with pytest.raises(ExpressionError, match="side by side"):
        render_typed("{{ m }}{{ m }}", Scope({"m": {"a": 1}}))


def test_structures_keep_order_and_other_leaves() -> None:
    source = {"{{ k }}": ["{{ a }}", 2, None, True], "plain": {"x": "{{ n }}", "y": "-{{ n }}"}, 3: "{{ a }}"}
    scope = Scope({"k": "key", "a": 1, "n": None})
    rendered = render_structure(source, scope)
    assert rendered == {"key": ["1", 2, None, True], "plain": {"x": None, "y": "-"}, 3: "1"}
    assert list(rendered) == ["key", "plain", 3]
    assert render_structure(source, scope, typed=True)["key"] == [1, 2, None, True]


def test_all_needs_of_a_structure_are_raised_together() -> None:
    scope = Scope({})
    with pytest.raises(Needs) as caught:
        render_structure(["{{ secret('a') }}", {"x": "{{ secret('b') }}"}], scope)
    assert [need.arguments[0] for need in caught.value.needs] == ["a", "b"]


def test_a_mistake_in_a_structure_wins_over_its_needs() -> None:
    with pytest.raises(UndefinedError):
        render_structure(["{{ secret('a') }}", "{{ gone }}"], Scope({}))


def test_unknown_names_fail_when_they_are_reached() -> None:
    for expression in ("nope()", "1 | nope", "1 is nope"):
        with pytest.raises(ExpressionError, match="'nope' does not exist"):
            render("{{ (" + expression + ") ?? 'z' }}", Scope({}))
        assert render("{{ true ? 1 : (" + expression + ") }}", Scope({})) == "1"


def test_mistakes_of_python_become_errors_of_the_expression() -> None:
    with pytest.raises(ExpressionError) as caught:
        render("{{ {[1]: 2} }}", Scope({}))
    assert "keys of a map" in str(caught.value)


def test_sorting_shows_in_the_template_but_not_in_the_variable() -> None:
    variables = {"l": [3, 1]}
    assert render("{{ l | sort }}{{ l }}", Scope(variables)) == "[1,3][1,3]"
    assert variables == {"l": [3, 1]}


def test_variables_do_not_change() -> None:
    variables = {"a": 1, "l": [1]}
    assert render("{% set a = 2 %}{% set l = l + 2 %}{{ a }}{{ l }}", Scope(variables)) == "2[1,2]"
    assert variables == {"a": 1, "l": [1]}


def test_text_of_a_secret_is_masked() -> None:
    masks: set[str] = set()
    scope = Scope({}, found={SECRET: "password"}, masks=masks)
    assert render("user:{{ secret('key') ~ '!' }} {{ 'visible' }}", scope) == "user:password! visible"
    assert "password!" in masks
    assert "visible" not in masks


def test_a_condition_on_a_secret_masks_nothing_else() -> None:
    masks: set[str] = set()
    scope = Scope({}, found={SECRET: "password"}, masks=masks)
    assert render("{% if secret('key') == 'password' %}{{ 'production' }}{% endif %}", scope) == "production"
    assert "production" not in masks


def test_numbers_booleans_and_short_texts_are_not_masked() -> None:
    masks: set[str] = set()
    render("{{ secret('key') | length }}{{ secret('key') == 'x' }}", Scope({}, found={SECRET: "abc"}, masks=masks))
    assert masks == set()


def test_now_and_random_stay_in_all_passes_of_a_rendering() -> None:
    moment = Moment()
    first, second = Scope({}, moment=moment), Scope({}, moment=moment)
    assert first.now() == second.now()
    assert first.random().random() == second.random().random()


def test_render_goes_on_until_nothing_changes() -> None:
    variables = {"a": "{{ b }}", "b": "{{ c }}", "c": "end"}
    assert render("{{ render(a) }}", Scope(variables)) == "end"
    assert render("{{ renderOnce(a) }}", Scope(variables)) == "{{ c }}"
    assert render("{{ render({'k': [a, 1]}) }}", Scope(variables)) == '{"k":["end",1]}'


def test_endless_rendering_is_a_limit() -> None:
    with pytest.raises(LimitError, match="Too many rendering attempts"):
        render("{{ render(a) }}", Scope({"a": "x{{ a }}"}))


def test_raw_text_survives_recursion() -> None:
    assert render("{{ render(a) }}", Scope({"a": "{{ b }}", "b": "{% raw %}{{ c }}{% endraw %}"})) == "{{ c }}"


def test_recursive_rendering_by_setting() -> None:
    scope = Scope({"a": "{{ b }}", "b": 1}, budget=Budget(Expressions(recursive=True)))
    assert render("{{ a }}", scope) == "1"
    with pytest.raises(ExpressionError, match="does not exist"):
        render("{{ render(a) }}", scope)
