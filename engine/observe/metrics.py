"""Counters and histograms of this process, and the text in which Prometheus reads them.

Who counts calls `add` or `seen`, from the loop or from the one thread that owns the instrument; nothing is locked.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

Labels = tuple[str, ...]

# Sets of label values of one instrument; more count together, so that names that users choose fill no memory.
MOST = 2000
OTHER = "__other__"
SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)


class Counter:
    """Counts by the values of its labels."""

    kind = "counter"

    def __init__(self, name: str, about: str, labels: Labels) -> None:
        self.name, self.about, self.labels = name, about, labels
        self._counts: dict[Labels, float] = {}

    def add(self, *values: str, amount: float = 1) -> None:
        """Count something with these label values."""
        key = _bounded(self._counts, values)
        self._counts[key] = self._counts.get(key, 0) + amount

    def value(self, *values: str) -> float:
        return self._counts.get(values, 0)

    def lines(self) -> Iterator[str]:
        for values, count in list(self._counts.items()):
            yield _line(self.name, self.labels, values, count)


class Histogram:
    """How often a value lay below each of some bounds, by the values of its labels."""

    kind = "histogram"

    def __init__(self, name: str, about: str, labels: Labels, bounds: Sequence[float]) -> None:
        self.name, self.about, self.labels = name, about, labels
        self._bounds = tuple(bounds)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def seen(self, value: float, *values: str) -> None:
        """Count a value with these label values."""
        key = _bounded(self._counts, values)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0] * (len(self._bounds) + 1)
            self._sums[key] = 0.0
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[key] += value

    def count(self, *values: str) -> int:
        return sum(self._counts.get(values, ()))

    def lines(self) -> Iterator[str]:
        labels = (*self.labels, "le")
        for values, counts in list(self._counts.items()):
            total = 0
            for bound, count in zip((*map(str, self._bounds), "+Inf"), tuple(counts), strict=True):
                total += count
                yield _line(f"{self.name}_bucket", labels, (*values, bound), total)
            yield _line(f"{self.name}_sum", self.labels, values, self._sums[values])
            yield _line(f"{self.name}_count", self.labels, values, total)


class Gauge:
    """What is so at the moment when somebody asks. `read` gives numbers by label values."""

    kind = "gauge"

    def __init__(self, name: str, about: str, labels: Labels, read: Callable[[], Mapping[Labels, float]]) -> None:
        self.name, self.about, self.labels = name, about, labels
        self._read = read

    def lines(self) -> Iterator[str]:
        for values, number in self._read().items():
            yield _line(self.name, self.labels, values, number)


class Total(Gauge):
    """A count that somebody else keeps."""

    kind = "counter"


Instrument = Counter | Histogram | Gauge
T = TypeVar("T", bound=Instrument)


class Registry:
    """The instruments of a process. `prefix` stands before their names, unless these say that they have none."""

    def __init__(self, prefix: str = "") -> None:
        self._front = f"{prefix}_" if prefix else ""
        self._instruments: dict[str, Instrument] = {}

    def counter(self, name: str, about: str, *labels: str) -> Counter:
        return self._kept(Counter(f"{self._front}{name}_total", about, labels))

    def histogram(self, name: str, about: str, *labels: str, bounds: Sequence[float] = SECONDS) -> Histogram:
        return self._kept(Histogram(f"{self._front}{name}", about, labels, bounds))

    def bare_histogram(self, name: str, about: str, *labels: str, bounds: Sequence[float] = SECONDS) -> Histogram:
        """One whose name everybody uses, without the prefix."""
        return self._kept(Histogram(name, about, labels, bounds))

    def gauge(self, name: str, about: str, read: Callable[[], float]) -> None:
        self._kept(Gauge(f"{self._front}{name}", about, (), lambda: {(): read()}))

    def gauges(self, name: str, about: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Several numbers, by the values of one label."""
        self._kept(Gauge(f"{self._front}{name}", about, (label,), lambda: {(key,): it for key, it in read().items()}))

    def bare(self, name: str, about: str, read: Callable[[], float]) -> None:
        """A number whose name everybody uses, without the prefix; a count where that ends in `_total`."""
        kind = Total if name.endswith("_total") else Gauge
        self._kept(kind(name, about, (), lambda: {(): read()}))

    def text(self) -> str:
        """All of them, in version 0.0.4 of the text format."""
        return "".join(f"{line}\n" for instrument in self._instruments.values() for line in _told(instrument))

    def _kept(self, instrument: T) -> T:
        self._instruments[instrument.name] = instrument
        return instrument


def _bounded(known: Mapping[Labels, object], values: Labels) -> Labels:
    return values if values in known or len(known) < MOST else (OTHER,) * len(values)


def _told(instrument: Instrument) -> Iterable[str]:
    if lines := list(instrument.lines()):
        yield f"# HELP {instrument.name} {_escaped(instrument.about)}"
        yield f"# TYPE {instrument.name} {instrument.kind}"
        yield from lines


def _line(name: str, labels: Labels, values: Labels, number: float) -> str:
    pairs = ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(labels, values, strict=True))
    shown = str(int(number)) if number == int(number) else repr(number)
    return f"{name}{{{pairs}}} {shown}" if pairs else f"{name} {shown}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
