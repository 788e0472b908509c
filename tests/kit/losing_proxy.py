"""A proxy in front of a server's HTTP port that loses answers: the server has stored, and the client does not know."""

import threading
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class LosingProxy:
    """Forwards requests, and closes the connection of some instead of answering.

    Args:
        port: of the server.
        answers: how many answers are lost, from the first one on.
        on_lost: called when an answer is lost, before the connection is closed; on a thread of the proxy.
    """

    def __init__(self, port: int, answers: int, on_lost: Callable[[], object] = lambda: None) -> None:
        self._port = port
        self._answers = answers
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self.keys: list[str] = []
        """The `Idempotency-Key` of each request, in order; empty where it had none."""
        self.lost = threading.Event()
        """Set when the last of these answers is lost."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                proxy._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        request.close_connection = True
        with self._lock, suppress(OSError, HTTPException):  # the client's next try finds the server again
            self.keys.append(request.headers.get("Idempotency-Key", ""))
            upstream = HTTPConnection("127.0.0.1", self._port, timeout=30)
            upstream.request("POST", request.path, body, dict(request.headers))
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            if self._answers:
                self._answers -= 1
                self._on_lost()
                if not self._answers:
                    self.lost.set()
                return
            request.send_response(answer.status)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
