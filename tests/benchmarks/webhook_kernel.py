"""The least that a webhook costs in this design: HTTP, two templates, three commits with FULL sync in groups.

The program prints its port and serves until it is stopped: `python webhook_kernel.py FOLDER`.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sqlite3
import sys
import threading
from pathlib import Path

from aiohttp import web

from engine.expressions.limits import Budget
from engine.expressions.template import Scope, render
from engine.settings import Expressions

LIMITS = Expressions()


class Writer:
    """Commits rows that come together in one transaction."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[str, asyncio.Future[None]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    async def commit(self, row: str) -> None:
        done = self._loop.create_future()
        self._jobs.put((row, done))
        await done

    def _run(self) -> None:
        connection = sqlite3.connect(self._folder / "kernel.db", isolation_level=None)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("create table step (id integer primary key, doc text not null)")
        while True:
            jobs = [self._jobs.get()]
            while not self._jobs.empty():
                jobs.append(self._jobs.get_nowait())
            connection.execute("begin immediate")
            connection.executemany("insert into step (doc) values (?)", [(row,) for row, _ in jobs])
            connection.execute("commit")
            self._loop.call_soon_threadsafe(self._tell, jobs)

    def _tell(self, jobs: list[tuple[str, asyncio.Future[None]]]) -> None:
        for _, done in jobs:
            if not done.done():
                done.set_result(None)


def rendered(template: str, variables: dict[str, object]) -> str:
    return render(template, Scope(variables, budget=Budget(LIMITS, 1.0)))


async def main(folder: Path) -> None:
    writer = Writer(folder)

    async def webhook(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        await writer.commit(json.dumps({"body": body}))
        received = rendered("{{ trigger.body }}", {"trigger": {"body": body}})
        await writer.commit(received)
        await writer.commit(rendered("{{ outputs.received }}", {"outputs": {"received": received}}))
        return web.Response(body=json.dumps({"received": received}).encode(), content_type="application/json")

    app = web.Application()
    app.router.add_post("/{any:.*}", webhook)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(Path(sys.argv[1])))
