from pathlib import Path

import pytest

from bench import report, results
from bench.benchmarks import page
from bench.goals import goals_table
from bench.load import AckCounter, LoadError
from bench.plan import Plan
from bench.results import Run
from bench.table import table
from bench.trial import Trial


def trial(subject: str, lines_per_s: float, round_number: int, **more: object) -> Trial:
    figures = {
        "lines_per_s": lines_per_s,
        "cpu_s_per_million": 0.5,
        "peak_rss_mib": 30.0,
        "others_cpu_share": 0.0,
    }
    return {
        "subject": subject,
        "connections": 1,
        "round": round_number,
        "lines": 10,
        "delivered": 10,
        **figures,
        **more,
    }


def run(*trials: Trial) -> Run:
    versions = {"logboom": "0.1.0", "rsyslog": "8"}
    return Run(
        date="2025-01-01 00:00",
        command="python -m bench",
        quick=False,
        machine={"memory": "1 GiB"},
        versions=versions,
        described={},
        skipped={},
        trials=list(trials),
    )


def test_the_page_shows_figures_and_lead(tmp_path: Path) -> None:
    found = run(trial("logboom", 1.6e6, 0), trial("rsyslog", 0.8e6, 0))
    page = report.render({"throughput": found}, Plan(tmp_path))
    assert "| 1.60 (1.60..1.60) |" in page
    assert "| 2.0 times |" in page
    assert "No trial was rejected" in page


def test_a_subject_that_loses_lines_is_shown_as_such(tmp_path: Path) -> None:
    lossy = trial("rsyslog", 9e6, 1, delivered=7, error="lost 3 of 10")
    found = run(trial("logboom", 1e6, 0), trial("rsyslog", 1e6, 0), lossy)
    page = report.render({"throughput": found}, Plan(tmp_path))
    assert "**LOST 3 of 20**" in page
    assert "REJECTED: lost 3 of 10" in page
    assert "9.00" not in page


def test_a_trial_that_failed_is_counted(tmp_path: Path) -> None:
    failed: Trial = {"subject": "logboom", "connections": 1, "round": 0, "error": "ended with code 1"}
    page = report.render({"throughput": run(failed)}, Plan(tmp_path))
    assert "no accepted trial" in page
    assert "**1 failed**" in page


@pytest.mark.parametrize(
    ("rate", "verdict"), [(1.6e6, "goal reached"), (1.2e6, "goal missed"), (0.9e6, "❌ missed")]
)
def test_goals_have_verdicts(rate: float, verdict: str) -> None:
    assert verdict in goals_table({"throughput": run(trial("logboom", rate, 0))}).splitlines()[2]


def test_results_come_back_as_they_were_written(tmp_path: Path) -> None:
    runs = {"throughput": run(trial("logboom", 1e6, 0), trial("rsyslog", 1e6, 0, error="a {strange} [one]"))}
    assert results.load(tmp_path) == {}
    results.save(tmp_path, runs)
    assert results.load(tmp_path) == runs


def test_a_cell_can_t_break_its_table() -> None:
    assert table(["a"], [["x|y\nz"]]).splitlines()[2] == "| x\\|y z |"


def test_acks_are_counted_over_any_split() -> None:
    counter = AckCounter()
    counter.take(b'{"ack":1}\n{"ac')
    counter.take(b'k":1}\n')
    assert counter.received_bytes == 20


@pytest.mark.parametrize("reply", [b"", b'{"ack":2}\n'])
def test_what_is_no_ack_is_an_error(reply: bytes) -> None:
    with pytest.raises(LoadError, match="ack"):
        AckCounter().take(reply)


def test_the_page_benchmark_shows_paint_and_use(tmp_path: Path) -> None:
    opened = {"subject": "logboom", "what": page.FIRST, "first_paint_s": 0.25, "shown_s": 0.5}
    found = run(
        {**opened, "round": 0}, {"subject": "logboom", "what": page.FIRST, "round": 1, "error": "late"}
    )
    text = report.render({page.NAME: found}, Plan(tmp_path))
    assert f"| {page.FIRST} | 1 of 2 | 0.250 (0.250..0.250) | 0.500 (0.500..0.500) |" in text
    assert "| the page's first paint, s | 0.25 | 1 | 0.3 | ✅ goal reached |" in text
