"""Cases about flows as people keep them: imports, and which flows belong together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from conformance.bench import Bench
from conformance.flow_cases import sources

APART = "id: {}\nnamespace: some.namespace\ntasks:\n  - {{id: say, type: core.log.Log, message: hi}}\n"


async def _dry_run(bench: Bench) -> list[str]:
    """What a trial says would be stored, and that it was not."""
    source = bench.case["start"]["unit"]["import"]
    flows = bench.engine.flows
    await flows.save(flows.read_all(source))
    (would_be,) = await flows.save(flows.read_all(source.replace("id: task\n", "id: replaced_task\n")), trial=True)
    stored = await bench.engine.store.flows.get("some.namespace", "import_dry")
    found = {"returned revision": would_be.revision, "stored revision": stored.revision}
    wanted = bench.case["expect"]["result"]
    problems = [f"{name} is {value}, not {wanted[name]}" for name, value in found.items() if value != wanted[name]]
    return problems if stored.source == source else [*problems, "the stored source changed"]


async def _no_link(bench: Bench) -> list[str]:
    """No flow has a link to itself, nor to another that it does not name."""
    texts = sources(bench.case) or [APART.format("one"), APART.format("two")]
    found = await bench.engine.dependencies.among([await bench.engine.control.save_flow(text) for text in texts])
    return [f"there is a link: {link}" for link in found]


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "import-flow-dry-run": _dry_run,
    "topology-none": _no_link,
    "topology-self": _no_link,
}
