"""Sample data."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from engine.errors import ExpressionError
from engine.expressions.samples import SHOWN
from support.fake_scope import FakeScope, call

ARGUMENTS = {"Number.digits": "'3'", "Number.numberBetween": "'1','5'", "Options.option": "'a', 'b'"}
BARE = {"numerify", "letterify", "bothify"}


def faked(expression: str, **more: Any) -> str:
    made = call("datafaker", expression, **more)
    assert isinstance(made, str)
    return made


@pytest.mark.parametrize("name", SHOWN)
def test_each_kind_gives_a_text_and_the_same_one_in_each_pass(name: str) -> None:
    expression = f"#{{{name} {ARGUMENTS.get(name, '')}}}" if name not in BARE else f"#{{{name} '##-??'}}"
    scope = FakeScope({})
    made = call("datafaker", expression, scope=scope)
    assert made
    assert "#{" not in made
    assert made == call("datafaker", expression, scope=FakeScope({}))


def test_text_around_stays() -> None:
    assert re.fullmatch(
        r"Dear \w+, your number is [1-4]\.",
        faked("Dear #{Name.first_name}, your number is #{number.numberBetween '1','5'}."),
    )


def test_a_form_is_filled() -> None:
    assert re.fullmatch(r"[a-z]{2}-\d{3}", faked("#{bothify '??-###'}"))


def test_a_birthday_lies_between_the_ages() -> None:
    scope = FakeScope({})
    born = date.fromisoformat(call("datafaker", '#{Date.birthday "2","4"}', scope=scope))
    days = (scope.now().date() - born).days
    assert 2 * 365 <= days <= 4 * 366


def test_countries_in_a_language() -> None:
    from babel.core import Locale

    french = set(Locale.parse("fr").territories.values())
    for locale in (["fr", "FR"], "fr", "fr-FR"):
        assert faked("#{Address.country}", locale=locale) in french


@pytest.mark.parametrize(
    ("expression", "locale", "said"),
    [
        (None, "en", "Missing or invalid 'expr' argument"),
        ("", "en", "Missing or invalid 'expr' argument"),
        ("#{Cat.name}", "en", "doesn't know 'Cat.name'; it knows Address.city"),
        ("#{Number.numberBetween 'a','b'}", "en", "The arguments of 'Number.numberBetween' are not accepted: a, b"),
        ("#{Date.past '9','EONS'}", "en", "not accepted"),
        ("#{Options.option}", "en", "not accepted: none"),
        ("#{Options.option 'a' 'b'}", "en", "texts in quotes with commas between"),
        ("#{Name.name}", "tlh_XX", "There is no locale 'tlh_XX'"),
    ],
)
def test_what_is_refused(expression: Any, locale: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(said)):
        call("datafaker", expression, locale=locale)
