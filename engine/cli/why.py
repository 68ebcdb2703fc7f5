"""`tidegate execution why`: what an execution waits for."""

from __future__ import annotations

from engine.cli.options import Config, Data, Id, Json
from engine.cli.session import run_async, session


def why(id: Id, as_json: Json = False, data: Data = None, config: Config = None) -> None:
    """Say in one sentence why an execution waits, who holds it, and what helps."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.resolve import resolve
        from engine.clock import SystemClock, local_zone
        from engine.runtime.actions.why import why as found_why

        async with session(data, config) as engine:
            chosen = await resolve(engine.store.executions, id)
            now = SystemClock().now()
            found = await found_why(engine.store, engine.plans, engine.nodes, chosen, now, local_zone())
        console = look.stdout()
        if as_json:
            console.print(look.as_json(found), markup=False)
            return
        console.print(found.sentence, markup=False)
        if found.next_step is not None:
            console.print(f"Next: {found.next_step}", markup=False)

    run_async(work)
