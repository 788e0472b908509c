"""A webhook that keeps what it gets: what Apprise's `json://` targets send to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from typing import Any, Final

ARRIVAL_S_MAX: Final = 30.0
"""A message that takes longer will not come."""


class Webhook:
    """Received requests. `status` is the status of the answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.status = 200
        self._arrived: SimpleQueue[dict[str, Any]] = SimpleQueue()

    @property
    def url(self) -> str:
        """The target, with a user and a password, as `alerts.notify` wants it."""
        return f"json://user:hunter2secret@127.0.0.1:{self.port}/hook-of-mine?method=POST"

    def took(self, message: dict[str, Any]) -> None:
        """Called on the server's threads."""
        self._arrived.put(message)

    def next(self) -> dict[str, Any]:
        """The next message: `title`, `message`, `type`. Raises `AssertionError` when none comes."""
        try:
            return self._arrived.get(timeout=ARRIVAL_S_MAX)
        except Empty:
            raise AssertionError("no message has come") from None

    def rest(self) -> list[dict[str, Any]]:
        """All that have come and were not asked for."""
        found = []
        while not self._arrived.empty():
            found.append(self._arrived.get())
        return found


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A webhook on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if hook.status == 200:
                hook.took(json.loads(body))
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook = Webhook(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
