import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import report
from bench.benchmarks import scraping
from bench.benchmarks.scraping import Asker
from bench.plan import Plan
from bench.results import Run
from bench.subjects.base import ServerError


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/metrics" else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.asked.set()

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        Answering.asked.clear()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_answers_are_timed(port: int) -> None:
    with Asker(port, "/metrics", 0.001) as asker:
        assert Answering.asked.wait(30)
    figures = asker.figures()
    assert figures["asked"] >= 1
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]


def test_a_refusal_rejects_the_trial(port: int) -> None:
    with pytest.raises(ServerError, match="/api/health answered 503"), Asker(port, "/api/health", 0.001):
        assert Answering.asked.wait(30)


def test_the_page_compares_with_the_same_round_without_questions(tmp_path: Path) -> None:
    trials = [
        {"subject": "logboom", "what": what, "round": number, "per_s": per_s}
        for what, rates in ((scraping.ALONE, (2e6, 1e6)), (scraping.SCRAPED, (1.8e6, 0.9e6)))
        for number, per_s in enumerate(rates)
    ]
    run = Run("2025-01-01", "python -m bench", False, {}, {}, {}, {}, trials)  # noqa: FBT003 - not a quick one
    page = report.render({"scraping": run}, Plan(tmp_path))
    assert f"| {scraping.ALONE} | 2 of 2 | 1.50 (1.00..2.00) | - |" in page
    assert f"| {scraping.SCRAPED} | 2 of 2 | 1.35 (0.90..1.80) | 0.900 (0.900..0.900) |" in page
