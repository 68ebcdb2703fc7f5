"""How long a template takes to render."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

from engine.expressions.environment import Template
from engine.expressions.limits import Budget
from engine.expressions.template import Scope, render
from engine.settings import Expressions

VARIABLES = {
    "flow": {"id": "etl", "namespace": "company.team"},
    "execution": {"id": "2PS4aRbPBNg3Ls0nLbfW7z"},
    "inputs": {"day": "2026-01-31", "tables": ["orders", "customers", "items"]},
    "outputs": {"load": {"vars": {"rows": 1234, "uri": "kestra:///company/team/etl/rows.ion"}}},
}
TEMPLATES = {
    "plain text": "echo no template in this text",
    "one path": "{{ outputs.load.vars.rows }}",
    "text with two paths": "select * from {{ inputs.day }} where id = '{{ execution.id }}'",
    "?? with a missing output": "{{ outputs.missing.value ?? inputs.day }}",
    "comparison and ternary": "{{ outputs.load.vars.rows > 1000 ? 'many' : 'few' }}",
    "two filters": "{{ inputs.day | upper | default('none') }}",
    "loop over three items": "{% for t in inputs.tables %}{{ loop.index }}:{{ t }} {% endfor %}",
}
COMPILED = "compiling a template with two paths (µs)"
GOALS = {
    "plain text (µs)": 2.0,
    "one path (µs)": 4.0,
    "text with two paths (µs)": 6.5,
    "?? with a missing output (µs)": 6.5,
    "comparison and ternary (µs)": 6.5,
    "two filters (µs)": 6.5,
}
ROUNDS, TIMES = 7, 2_000


def run() -> dict[str, float]:
    """Microseconds, medians of seven rounds; each rendering makes its own scope, as the engine does."""
    limits = Expressions()
    figures = {
        f"{name} (µs)": _microseconds(partial(_rendered, text, limits), TIMES) for name, text in TEMPLATES.items()
    }
    figures[COMPILED] = _microseconds(lambda: Template(TEMPLATES["text with two paths"], lambda cost: None), 50)
    return figures


def _rendered(text: str, limits: Expressions) -> str:
    return render(text, Scope(VARIABLES, budget=Budget(limits)))


def _microseconds(call: Callable[[], object], times: int) -> float:
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(times):
            call()
        rounds.append((time.perf_counter() - start) / times * 1e6)
    return statistics.median(rounds)


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:50} {value:10.2f}")
