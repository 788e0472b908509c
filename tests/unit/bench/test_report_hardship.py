from bench import report_hardship
from bench.results import Run
from bench.trial import Trial


def run(*trials: Trial) -> Run:
    return Run(
        "2025-01-01", "x", quick=False, machine={}, versions={}, described={}, skipped={}, trials=list(trials)
    )


def test_an_attack_shows_what_came_of_it() -> None:
    good = {
        "what": "bomb",
        "result": "refused",
        "p50_ms": 1.0,
        "p99_ms": 2.0,
        "max_ms": 3.0,
        "grown_mib": 0.5,
    }
    page = report_hardship.attacks(run(good, {"what": "other", "error": "it came through"}), {})
    assert "| bomb | refused | 1.0 | 2.0 | 3.0 | 0.5 |" in page
    assert "| other | **rejected** | - | - | - | - |" in page


def test_a_soak_shows_its_points() -> None:
    trial = {
        "what": "all",
        "seconds": 180.0,
        "entries": 500_000,
        "lost": 0,
        "points_rss_mib": [80.0, 81.25],
        "points_open_files": [40, 40],
        "grown_mib": 1.25,
    }
    assert "| 3.0 | 500,000 | 0 | 80.0, 81.2 | 40, 40 | 1.2 |" in report_hardship.soak(run(trial), {})
    assert "| 0.0 | 0 | - |  |  | - |" in report_hardship.soak(run({"what": "all", "error": "died"}), {})


def test_churn_has_a_row_for_each_kind() -> None:
    trials = [
        {"what": "visitors", "round": n, "per_s": 999.0 + n, "p50_ms": 1.0, "p99_ms": 2.0} for n in range(3)
    ]
    page = report_hardship.churn(run(*trials, {"what": "visitors", "round": 3, "error": "x"}), {})
    assert "| visitors | 3 of 4 | 1000 (999..1001) | 1.00 (1.00..1.00) |" in page
