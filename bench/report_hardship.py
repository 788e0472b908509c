"""The sections of `RESULTS.md` about hardship: visitors, attacks, a soak in miniature."""

from typing import Final

from bench.results import Run
from bench.spread import spread
from bench.table import table
from bench.trial import Trial

_CHURN: Final = """\
## Visitors, dribblers, and a line without an end

`device`, every ack after its fdatasync. *p50* and *p99* of visitors are from connect to ack. Dribblers never end
their line.

"""

_ATTACKS: Final = """\
## Attacks

Each on a server of its own with every listener and the outputs jsonl and sqlite. Beside it one honest client sends a
line every few milliseconds: *p99* is its ack latency, on a machine whose cores the attacker uses, too. *Grown* is the
server's peak memory over its memory before. An attack that had another effect than the one named, or of which anything
was stored, would be rejected above.

"""

_SOAK: Final = """\
## A soak in miniature

A client of every protocol at an everyday pace, short visits to every listener, outputs jsonl and sqlite; afterwards
every entry is checked by the crash oracle. Memory and open files at five moments, the first one after the warm-up.

"""


def churn(run: Run, _titles: object) -> str:
    """The section of benchmark `churn`."""
    rows = []
    for what in dict.fromkeys(trial["what"] for trial in run.trials):
        every = [trial for trial in run.trials if trial["what"] == what]
        trials = [trial for trial in every if "error" not in trial]
        figures = [
            _figure(trials, key, digits) for key, digits in (("per_s", 0), ("p50_ms", 2), ("p99_ms", 2))
        ]
        figures += [_figure(trials, key, digits) for key, digits in (("cpu_share", 3), ("peak_rss_mib", 0))]
        rows.append([what, f"{len(trials)} of {len(every)}", *figures, _figure(trials, "grown_mib", 1)])
    head = [
        "what",
        "trials",
        "a second",
        "p50 ms",
        "p99 ms",
        "CPU, share of a core",
        "peak RSS MiB",
        "grown MiB",
    ]
    return _CHURN + table(head, rows)


def attacks(run: Run, _titles: object) -> str:
    """The section of benchmark `attacks`."""
    rows = [
        [
            trial["what"],
            trial.get("result", "**rejected**"),
            *_plain(trial, "p50_ms", "p99_ms", "max_ms", "grown_mib"),
        ]
        for trial in run.trials
    ]
    head = ["attack", "what came of it", "p50 ms", "p99 ms", "worst ms", "grown MiB"]
    return _ATTACKS + table(head, rows)


def soak(run: Run, _titles: object) -> str:
    """The section of benchmark `soak`."""
    rows = []
    for trial in run.trials:
        points = ", ".join(f"{value:.1f}" for value in trial.get("points_rss_mib", []))
        files = ", ".join(str(value) for value in trial.get("points_open_files", []))
        seconds, entries = trial.get("seconds", 0.0), trial.get("entries", 0)
        rows.append(
            [
                f"{seconds / 60:.1f}",
                f"{entries:,}",
                str(trial.get("lost", "-")),
                points,
                files,
                *_plain(trial, "grown_mib"),
            ]
        )
    return _SOAK + table(["minutes", "entries", "lost", "RSS MiB", "open files", "grown MiB"], rows)


def _figure(trials: list[Trial], key: str, digits: int) -> str:
    found = spread([trial[key] for trial in trials if key in trial])
    return "-" if found is None else found.show(digits)


def _plain(trial: Trial, *keys: str) -> list[str]:
    return [f"{trial[key]:.1f}" if key in trial else "-" for key in keys]
