"""
From HTTP to HTTP, with aiohttp's server.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from benchmarks.relays.relay import Watcher, event_of, main, say_ready


async def relay(watcher: Watcher, arguments: list[str]) -> None:
    """
    Takes its port.
    """

    async def take(request: web.Request) -> web.Response:
        await watcher.dispatch(event_of("webhook", await request.read()))
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/foo", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(arguments[0])).start()
    say_ready()
    await asyncio.Event().wait()


if __name__ == "__main__":
    main(relay)
