"""The process of a server: signals, and the service manager."""

import asyncio
import signal
import traceback
from collections.abc import Callable
from contextlib import closing
from typing import Any

from logboom.app import App
from logboom.ops.systemd import ServiceNotifier
from logboom.settings import Settings


async def serve(app: App, load_settings: Callable[[], Settings]) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reloads with `load_settings`. A service manager is notified."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: app.log.event("fatal", _describe(context)))
    with closing(ServiceNotifier(report=app.log.event)) as notifier:

        def reload() -> None:
            with notifier.reloading():
                app.reload(load_settings)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, app.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, reload)
        await app.start()
        notifier.status(f"serving {', '.join(app.listeners)}")
        notifier.ready()
        watching = asyncio.create_task(notifier.watch(app.is_alive))
        await app.stopping.wait()
        notifier.stopping()
        app.log.event("info", "stopping: finishing what is in flight")
        await app.stop()
        watching.cancel()


def _describe(context: dict[str, Any]) -> str:
    """Text of an unhandled error with its traceback, as it is a bug."""
    error = context.get("exception")
    place = "".join(traceback.format_exception(error)) if error is not None else ""
    return f"{context.get('message', 'unexpected error')} {place}"
