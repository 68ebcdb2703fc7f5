"""Sample data: what `#{Name.fullName}` and its like stand for, drawn from a generator of random numbers.

The words are few and English, save for countries and currencies, which every language has.
"""

from __future__ import annotations

import random
import re
import string
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from babel.core import Locale, UnknownLocaleError

from engine.errors import ExpressionError

FIRST = [
    "Ada", "Alan", "Barbara", "Edsger", "Frances", "Grace", "Hedy", "John", "Katherine", "Linus", "Margaret", "Radia",
    "Tim",
]  # fmt: skip
LAST = [
    "Allen", "Berners", "Dijkstra", "Hamilton", "Hopper", "Johnson", "Lamarr", "Liskov", "Lovelace", "Perlman",
    "Turing", "Neumann",
]  # fmt: skip
CITIES = [
    "Ashford", "Bridgeport", "Clearwater", "Eastbrook", "Fairhaven", "Greenfield", "Lakeside", "Millbrook",
    "Northfield", "Westport",
]  # fmt: skip
STREETS = ["Church", "Garden", "High", "Mill", "Oak", "Park", "River", "School", "Station", "Victoria"]
WAYS = ["Avenue", "Lane", "Road", "Street", "Way"]
WORDS = [
    "alias", "animi", "aperiam", "beatae", "commodi", "culpa", "deleniti", "dicta", "ducimus", "enim", "facere",
    "fugit", "harum", "illum", "ipsa", "labore", "magni", "maxime", "nemo", "nihil", "odio", "optio", "placeat",
    "quaerat", "ratione", "rerum", "saepe", "similique", "soluta", "tempora", "totam", "ullam", "velit", "vitae",
]  # fmt: skip
TRADES = [
    "Energy", "Engineering", "Foods", "Insurance", "Logistics", "Media", "Motors", "Software", "Textiles", "Travel",
]  # fmt: skip
FORMS = ["Group", "Inc", "Ltd", "LLC", "Partners"]
JOBS = ["Accountant", "Analyst", "Architect", "Buyer", "Designer", "Engineer", "Manager", "Nurse", "Planner", "Teacher"]
COLORS = [
    "amber", "black", "blue", "brown", "gray", "green", "indigo", "orange", "pink", "red", "teal", "violet", "white",
    "yellow",
]  # fmt: skip
MATERIALS = ["Cotton", "Granite", "Leather", "Linen", "Marble", "Paper", "Plastic", "Steel", "Wooden", "Wool"]
GOODS = ["Bag", "Bench", "Bottle", "Chair", "Clock", "Coat", "Hat", "Lamp", "Plate", "Shirt", "Table", "Watch"]
DEPARTMENTS = [
    "Books", "Clothing", "Garden", "Grocery", "Health", "Home", "Music", "Outdoors", "Sports", "Tools", "Toys",
]  # fmt: skip
DOMAINS = ["example.com", "example.net", "example.org"]
UNITS = {"SECONDS": 1, "MINUTES": 60, "HOURS": 3600, "DAYS": 86_400}
REGION = re.compile("[A-Z]{2}")
CURRENCY = re.compile("[A-Z]{3}")

ASKED = re.compile(r"#\{\s*([A-Za-z_]+(?:\.[A-Za-z_0-9]+)?)\s*([^{}]*)\}")
ARGUMENT = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)"|([^\s,'"]+))\s*(,|$)""")


class Draw(NamedTuple):
    """What samples are made of."""

    random: random.Random
    now: datetime
    locale: Locale

    def one(self, words: Sequence[str]) -> str:
        return self.random.choice(words)

    def digits(self, count: int) -> str:
        return "".join(self.random.choices(string.digits, k=count))

    def words(self, count: int) -> str:
        return " ".join(self.random.choices(WORDS, k=count))


def locale_of(name: str) -> Locale:
    """The locale of a name such as `fr`, `fr_FR` or `fr-FR`. Raises ExpressionError."""
    try:
        return Locale.parse(name.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        raise ExpressionError(f"There is no locale '{name}': one is written as fr or ['fr', 'FR']") from None


Provider = Callable[..., object]


def sample(draw: Draw, expression: str) -> str:
    """A text with each `#{Group.name 'argument', …}` replaced. Raises ExpressionError for what isn't known."""
    return ASKED.sub(lambda asked: str(_sampled(draw, asked[1], _arguments(asked[2]))), expression)


def _sampled(draw: Draw, name: str, arguments: list[str]) -> object:
    provider = PROVIDERS.get(_plain(name))
    if provider is None:
        known = ", ".join(SHOWN)
        raise ExpressionError(f"The 'datafaker' function doesn't know '{name}'; it knows {known}")
    try:
        return provider(draw, *arguments)
    except (TypeError, ValueError, OverflowError, KeyError, IndexError):
        raise ExpressionError(f"The arguments of '{name}' are not accepted: {', '.join(arguments) or 'none'}") from None


def _plain(name: str) -> str:
    """Names are the same in any case and with underscores: `Name.first_name`, `Name.firstName`."""
    return name.replace("_", "").lower()


def _arguments(text: str) -> list[str]:
    found, at = [], 0
    while text[at:].strip():
        part = ARGUMENT.match(text, at)
        if part is None:
            raise ExpressionError(f"The arguments of a sample are texts in quotes with commas between, but are: {text}")
        found.append(next(group for group in part.groups()[:3] if group is not None))
        at = part.end()
    return found


def _between(draw: Draw, low: str, high: str) -> int:
    """From a lower bound up to, but without, an upper one."""
    return int(low) if low == high else draw.random.randrange(int(low), int(high))


def _birthday(draw: Draw, youngest: str = "18", oldest: str = "65") -> str:
    last = draw.now - timedelta(days=365.25 * int(youngest))
    span = timedelta(days=365.25 * (int(oldest) - int(youngest)))
    if span < timedelta(0):
        raise ValueError
    return (last - span * draw.random.random()).date().isoformat()


def _near(sign: int) -> Provider:
    def near(draw: Draw, most: str = "30", unit: str = "DAYS") -> str:
        seconds = int(most) * UNITS[unit.upper()]
        return (draw.now + sign * timedelta(seconds=draw.random.randint(1, seconds))).isoformat(timespec="seconds")

    return near


def _countries(draw: Draw) -> list[str]:
    return sorted(
        code for code in map(str, draw.locale.territories) if REGION.fullmatch(code) and code not in ("EU", "UN", "ZZ")
    )


def _currencies(draw: Draw) -> list[str]:
    return sorted(code for code in map(str, draw.locale.currencies) if CURRENCY.fullmatch(code))


def _filled(draw: Draw, form: str) -> str:
    """A form with `#` as a digit and `?` as a letter."""
    return re.sub("[#?]", lambda sign: draw.digits(1) if sign[0] == "#" else draw.one(string.ascii_lowercase), form)


def _name(draw: Draw) -> str:
    return f"{draw.one(FIRST)} {draw.one(LAST)}"


def _user(draw: Draw) -> str:
    return f"{draw.one(FIRST)}.{draw.one(LAST)}".lower()


def _street(draw: Draw) -> str:
    return f"{draw.one(STREETS)} {draw.one(WAYS)}"


def _phone(draw: Draw) -> str:
    return f"+1 555 01{draw.digits(2)} {draw.digits(3)}"


def _sentence(draw: Draw, words: str = "6") -> str:
    return draw.words(min(max(int(words), 1), 1000)).capitalize() + "."


BY_NAME: dict[str, Provider] = {
    "Name.firstName": lambda draw: draw.one(FIRST),
    "Name.lastName": lambda draw: draw.one(LAST),
    "Name.fullName": _name,
    "Name.name": _name,
    "Name.username": _user,
    "Address.country": lambda draw: draw.locale.territories[draw.one(_countries(draw))],
    "Address.countryCode": lambda draw: draw.one(_countries(draw)),
    "Address.city": lambda draw: draw.one(CITIES),
    "Address.streetName": _street,
    "Address.streetAddress": lambda draw: f"{draw.random.randint(1, 999)} {_street(draw)}",
    "Address.fullAddress": lambda draw: f"{draw.random.randint(1, 999)} {_street(draw)}, {draw.one(CITIES)}",
    "Address.zipCode": lambda draw: draw.digits(5),
    "Address.latitude": lambda draw: f"{draw.random.uniform(-90, 90):.6f}",
    "Address.longitude": lambda draw: f"{draw.random.uniform(-180, 180):.6f}",
    "Internet.emailAddress": lambda draw: f"{_user(draw)}@{draw.one(DOMAINS)}",
    "Internet.domainName": lambda draw: draw.one(DOMAINS),
    "Internet.url": lambda draw: f"https://www.{draw.one(DOMAINS)}/{draw.one(WORDS)}",
    "Internet.ipV4Address": lambda draw: f"192.0.2.{draw.random.randint(1, 254)}",
    "Internet.uuid": lambda draw: uuid.UUID(int=draw.random.getrandbits(128), version=4),
    "Date.birthday": _birthday,
    "Date.past": _near(-1),
    "Date.future": _near(1),
    "Number.digit": lambda draw: draw.digits(1),
    "Number.digits": lambda draw, count: draw.digits(min(int(count), 1000)),
    "Number.numberBetween": _between,
    "Number.randomDigit": lambda draw: draw.digits(1),
    "Bool.bool": lambda draw: draw.one(("true", "false")),
    "Lorem.word": lambda draw: draw.one(WORDS),
    "Lorem.sentence": _sentence,
    "Lorem.paragraph": lambda draw: " ".join(_sentence(draw) for _ in range(3)),
    "Company.name": lambda draw: f"{draw.one(LAST)} {draw.one(TRADES)} {draw.one(FORMS)}",
    "Company.industry": lambda draw: draw.one(TRADES),
    "Job.title": lambda draw: draw.one(JOBS),
    "Color.name": lambda draw: draw.one(COLORS),
    "Commerce.productName": lambda draw: f"{draw.one(MATERIALS)} {draw.one(GOODS)}",
    "Commerce.department": lambda draw: draw.one(DEPARTMENTS),
    "Commerce.price": lambda draw, low="0", high="100": f"{draw.random.uniform(float(low), float(high)):.2f}",
    "Currency.code": lambda draw: draw.one(_currencies(draw)),
    "Currency.name": lambda draw: draw.locale.currencies[draw.one(_currencies(draw))],
    "PhoneNumber.phoneNumber": _phone,
    "PhoneNumber.cellPhone": _phone,
    "Options.option": lambda draw, *choices: draw.one(choices),
    "numerify": _filled,
    "letterify": _filled,
    "bothify": _filled,
}
PROVIDERS = {_plain(name): provider for name, provider in BY_NAME.items()}
SHOWN = sorted(BY_NAME)
