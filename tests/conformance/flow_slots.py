"""What cases about limits expect of the executions of a flow, while these go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.bench import Bench
from conformance.flow_cases import Unbound
from conformance.flow_matching import difference
from engine.store.rows import StoredFlow

NUMBERS = ("first", "second", "third", "fourth", "fifth")
KNOWN = frozenset({"state", "states", "slots_used", "queued"})


async def slot_problems(bench: Bench, flow: StoredFlow, expect: Mapping[str, Any]) -> list[str]:
    """What is wrong with who runs and who waits. `state` is of the last execution, `states` of all, as started."""
    if more := expect.keys() - KNOWN:
        raise Unbound(f"nothing checks {', '.join(sorted(more))} beside slots")
    use = await bench.engine.store.slots.of(flow.namespace, flow.id)
    states = [(await bench.engine.store.executions.head(id))[0].state.value for id in bench.started]
    waiting = [NUMBERS[bench.started.index(id)] for id in use.waiting]
    found = {
        "state": states[-1],
        "states": states,
        "slots_used": len(use.running),
        "queued": waiting if isinstance(expect.get("queued"), list) else len(waiting),
    }
    problems = {key: difference(found[key], wanted, {}) for key, wanted in expect.items()}
    return [f"{key} {problem}" for key, problem in problems.items() if problem]
