"""Counters and histograms as Prometheus reads them."""

from __future__ import annotations

from engine.observe.metrics import MOST, OTHER, Registry
from engine.observe.process import watch_process


def test_the_text_has_help_type_and_one_line_a_set_of_labels() -> None:
    registry = Registry("tide")
    ended = registry.counter("ended_count", "What ended.", "flow", "state")
    ended.add("a", "SUCCESS")
    ended.add("a", "SUCCESS")
    ended.add('with "quotes"\n', "FAILED", amount=2.5)
    registry.gauges("queue_length", "Waiting.", "queue", lambda: {"store": 3})
    assert registry.text().splitlines() == [
        "# HELP tide_ended_count_total What ended.",
        "# TYPE tide_ended_count_total counter",
        'tide_ended_count_total{flow="a",state="SUCCESS"} 2',
        'tide_ended_count_total{flow="with \\"quotes\\"\\n",state="FAILED"} 2.5',
        "# HELP tide_queue_length Waiting.",
        "# TYPE tide_queue_length gauge",
        'tide_queue_length{queue="store"} 3',
    ]


def test_buckets_count_what_lies_at_or_below_their_bound() -> None:
    registry = Registry()
    took = registry.histogram("took_seconds", "Time.", bounds=(0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        took.seen(value)
    assert registry.text().splitlines()[2:] == [
        'took_seconds_bucket{le="0.1"} 2',
        'took_seconds_bucket{le="1.0"} 3',
        'took_seconds_bucket{le="+Inf"} 4',
        "took_seconds_sum 7.65",
        "took_seconds_count 4",
    ]


def test_names_that_users_choose_fill_no_memory() -> None:
    ended = Registry().counter("ended", "What ended.", "flow")
    for number in range(MOST + 10):
        ended.add(f"flow-{number}")
    ended.add("flow-1")
    assert ended.value("flow-1") == 2
    assert ended.value(OTHER) == 10
    assert len(list(ended.lines())) == MOST + 1


def test_the_process_tells_its_memory_and_time() -> None:
    registry = Registry("kestra")
    watch_process(registry)
    numbers = dict(line.split() for line in registry.text().splitlines() if not line.startswith("#"))
    assert float(numbers["process_resident_memory_bytes"]) > 1_000_000
    assert float(numbers["process_cpu_seconds_total"]) > 0
    assert float(numbers["process_open_fds"]) >= 3
    assert "# TYPE process_cpu_seconds_total counter" in registry.text()
