"""`RESULTS.md`: what was measured, as tables."""

from functools import partial
from typing import TYPE_CHECKING, Final

from bench import report_hardship, report_page
from bench.benchmarks import (
    attacks,
    churn,
    cluster,
    doors,
    handling,
    live_page,
    many,
    page,
    postgres,
    protocols,
    query,
    reading,
    scraping,
    soak,
    startup,
    stop_and_wait,
    throughput,
    web,
)
from bench.goals import goals_table
from bench.line import LINE_BYTES
from bench.plan import Plan
from bench.results import Run
from bench.spread import paired_ratio, spread
from bench.subjects.base import Subject
from bench.table import table
from bench.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

OURS: Final = "logboom"
DISTURBED_SHARE: Final = 0.25  # of a core, by processes that have no part in a trial

_INTRODUCTION: Final = f"""\
# Benchmark results

`make bench` writes this page; the raw trials stand beside it in `results.json`.

- **Figures** are the median of all accepted trials, with (lowest..highest) behind it.
- **Alternating**: in each round every subject runs once, and each round starts with another subject.
- **The line** is an ESP32's log entry: {LINE_BYTES - 1} bytes and a newline, each with its own number.
- **Load** comes from another process on the same machine over 127.0.0.1. CPU is the server's alone
  (utime + stime of all its threads and children), memory is its peak resident size.
- **Delivery** is verified after the clock has stopped: each stored line is read back and compared. A
  trial that loses, doubles or damages a line is rejected and listed below.
- **What is compared is not equal.** Logboom parses each line, writes it with source and time, calls
  fdatasync, and only then acks; its clock stops at the last ack. rsyslog and syslog-ng copy the line
  into a file without ack or sync (with JSON parsing where it says so); their clock stops when the
  output file has its full size.
- rsyslog and syslog-ng are Debian's packages with the settings below, the fastest of those tried. Their
  JSON variants get fewer lines, so that a trial takes seconds.
"""

_THROUGHPUT: Final = """\
## Throughput

CPU includes the kernel's work for the server. *Logboom's lead* is its lines/s over the subject's, paired by
round. *Others* is what the rest of the machine (kernel threads, other people) used of a core.
"""

_WAIT: Final = """\
The generator is one Python
process on the same cores; its own handling is part of the latency.

"""

_MANY: Final = """\
Lines are evenly spread, and measured after a warm-up. All acks must arrive.
*Late* is the worst delay of a line behind the generator's own schedule.

"""

_PROTOCOLS: Final = """\
## Cap'n Proto and gRPC

Every message is stored and synced before it is answered; *grpcio* and *pycapnp* are the bare libraries on the
same messages. The gRPC client is Python too, on the same two cores, and takes most of them.

"""

_WEB: Final = """\
## HTTP, WebSocket and database outputs

*aiohttp* is a bare echo on the same messages. Idle readers are connected and never read. The outputs run in the
benchmark's process over a journal that is there already; their memory is what the process grew by.

"""

_POSTGRES: Final = """\
## Output `postgres`

It catches up with a journal of sensor readings, each of which becomes a row of both tables; then the database says how
many it has. PostgreSQL is on the same two cores and has its default settings, so that every commit is synced. CPU and
memory are the output's.

"""

_DOORS: Final = """\
## Doors of other protocols

The same lines of a web server in the form of each protocol, from one connection; HTTP bodies one after the other.
Every record is stored and synced before it is answered.

"""

_HANDLER: Final = """\
## Python's `logging` through `LogboomHandler`

An application logs one record after the other, each with a field of its own, while the handler's thread delivers over
HTTP on the same two cores. The time is that of `emit`: the record is with the operating system when it returns.

"""

_SCRAPING: Final = """\
## Metrics and health while senders send flat out

Four connections, as in the throughput benchmark, with the `http` listener beside them. *Against nobody asking* is the
throughput over that of the same round without questions; what lies within its range is the machine's own unrest.
*CPU ms* is what one scrape costs the server, asked of an idle one: that many thousandths of a core at one a second.

"""

_CLUSTER: Final = """\
## Replicated answers

Three NATS servers with `sync_interval: always`, the server and the senders share two cores and one disk: compare the
rows. *Bulk* sends as fast as the windows of TCP allow; *one line at a time* waits for each answer.

"""

_READING: Final = """\
## Reading

Over HTTP, from a journal of one segment whose entries came in the last hour; half as many as a throughput trial has.
Server on one core, in the page cache. What is answered is checked. A picture that the server does not finish in the
time of one request is asked for until it is whole.

"""

_QUERY: Final = """\
## Questions over 30 days

Over HTTP, from a mixed journal of devices, gateways and applications; half as many entries as a throughput trial has.
The server first indexes it, with the rests that it takes under other load. Answers are checked. `logboom stats`
reads the same data directory. *Cold*: the files were dropped from memory before. ripgrep and DuckDB (one thread each)
read the same files; their CPU is that of the command, with the start of Python for DuckDB.

"""

_STARTUP: Final = """\
## Startup on an empty data directory

From exec to the first accepted connection, and to the first ack.

"""

_RECOVERY: Final = """\
## Recovery of a journal

The server itself wrote the journal and was killed (SIGKILL) after the last ack; half a line was added to
its end. Each trial starts on a copy, in the page cache unless it says otherwise. Afterwards every
line is read back.

"""


def render(runs: dict[str, Run], plan: Plan) -> str:
    """The whole page."""
    titles = {subject.name: subject for subject in plan.all_subjects()}
    sections: list[tuple[str, Callable[[Run, dict[str, Subject]], str]]] = [
        (throughput.NAME, _throughput),
        (stop_and_wait.NAME, _stop_and_wait),
        (many.NAME, _many),
        (startup.STARTUP, _startup),
        (startup.RECOVERY, _recovery),
        (protocols.NAME, partial(_messages, _PROTOCOLS)),
        (doors.NAME, partial(_messages, _DOORS)),
        (web.NAME, partial(_messages, _WEB)),
        (postgres.NAME, partial(_messages, _POSTGRES)),
        (handling.NAME, _handler),
        (scraping.NAME, _scraping),
        (reading.NAME, partial(_asked, _READING)),
        (query.NAME, partial(_asked, _QUERY)),
        (page.NAME, report_page.page),
        (live_page.NAME, report_page.live_page),
        (churn.NAME, report_hardship.churn),
        (attacks.NAME, report_hardship.attacks),
        (cluster.NAME, partial(_messages, _CLUSTER)),
        (soak.NAME, report_hardship.soak),
    ]
    parts = [_INTRODUCTION, _warnings(runs), "## Goals\n\n" + goals_table(runs), _circumstances(runs)]
    parts += [make(runs[name], titles) for name, make in sections if name in runs]
    parts.append(_configurations(runs))
    return "\n".join(part for part in parts if part)


def _warnings(runs: dict[str, Run]) -> str:
    lines: list[str] = []
    for name, run in runs.items():
        if run.quick:
            lines.append(f"- ⚠️ **{name}** is a quick run: a smoke test, not a measurement.")
        lines += [f"- ⚠️ **{name}**: {subject} was skipped: {why}" for subject, why in run.skipped.items()]
        if disturbed := [
            trial for trial in run.trials if trial.get("others_cpu_share", 0.0) > DISTURBED_SHARE
        ]:
            lines.append(
                f"- ⚠️ **{name}**: {len(disturbed)} of {len(run.trials)} trials were disturbed: "
                f"other processes used more than {DISTURBED_SHARE} of a core meanwhile."
            )
        lines += [
            f"- 💥 **{name}**: {_label(trial)} was REJECTED: {trial['error']}" for trial in run.rejected()
        ]
    return (
        "## Rejected and skipped\n\n"
        + ("\n".join(lines) if lines else "No trial was rejected, no subject skipped.")
        + "\n"
    )


def _label(trial: Trial) -> str:
    labels = (f"{key} {trial[key]}" for key in ("connections", "state", "what", "round") if key in trial)
    return f"{trial['subject']} ({', '.join(labels)})"


def _circumstances(runs: dict[str, Run]) -> str:
    machines: list[dict[str, str]] = []
    for run in runs.values():
        if run.machine not in machines:
            machines.append(run.machine)
    rows = [
        [name, run.date, f"`{run.command}`", str(machines.index(run.machine) + 1)]
        for name, run in runs.items()
    ]
    text = "## Machine and runs\n\n" + table(["benchmark", "date (UTC)", "command", "machine"], rows) + "\n"
    for number, machine in enumerate(machines, 1):
        text += f"{number}. " + "; ".join(f"{key}: {value}" for key, value in machine.items()) + "\n"
    return text


def _figure(trials: list[Trial], key: str, digits: int = 2, scale: float = 1.0) -> str:
    found = spread([trial[key] for trial in trials if key in trial])
    if found is None:
        return "-" if trials else "no accepted trial"
    return found.show(digits, scale)


def _delivered(trials: list[Trial]) -> str:
    """Of all trials, rejected ones included: a subject that loses lines is shown as such."""
    lines, found = (sum(trial.get(key, 0) for trial in trials) for key in ("lines", "delivered"))
    failed = sum("lines" not in trial for trial in trials)
    text = f"all {lines:,}" if found == lines else f"**LOST {lines - found:,} of {lines:,}**"
    return text + (f", **{failed} failed**" if failed else "")


def _order(trials: list[Trial]) -> str:
    """How many lines came after a later one of their connection; a parser with two workers may do that."""
    reordered = sum(trial.get("reordered", 0) for trial in trials)
    return f", {reordered:,} out of order" if reordered else ""


def _subjects(run: Run) -> list[str]:
    return list(dict.fromkeys(trial["subject"] for trial in run.trials))


def _throughput(run: Run, titles: dict[str, Subject]) -> str:
    text = _THROUGHPUT
    head = [
        "subject",
        "version",
        "trials",
        "M lines/s",
        "CPU s per 1 M",
        "peak RSS MiB",
        "delivered",
        "Logboom's lead",
        "others",
    ]
    names = [name for name in titles if name in _subjects(run)]
    for connections in sorted({trial["connections"] for trial in run.trials}):
        rows = [_throughput_row(run, titles[name], connections) for name in names]
        text += f"\n### {connections} connection{'s' if connections > 1 else ''}\n\n" + table(head, rows)
    return text


def _throughput_row(run: Run, subject: Subject, connections: int) -> list[str]:
    trials = run.accepted(subject.name, connections=connections)
    every = run.all(subject.name, connections=connections)
    ours, theirs = (
        _rates(run, "lines_per_s", name, connections=connections) for name in (OURS, subject.name)
    )
    ratio = paired_ratio(ours, theirs)
    return [
        subject.title,
        run.versions.get(subject.name, "unknown"),
        f"{len(trials)} of {len(every)}",
        _figure(trials, "lines_per_s", 2, 1e6),
        _figure(trials, "cpu_s_per_million"),
        _figure(trials, "peak_rss_mib", 0),
        _delivered(every) + _order(every),
        f"{ratio.median:.1f} times" if ratio is not None and subject.name != OURS else "",
        _figure(trials, "others_cpu_share"),
    ]


def _rates(run: Run, key: str, subject: str, **labels: object) -> list[float | None]:
    """A figure by round; None where a trial was rejected."""
    rounds = {trial["round"]: trial[key] for trial in run.accepted(subject, **labels)}
    last = max((trial["round"] for trial in run.trials), default=-1)
    return [rounds.get(number) for number in range(last + 1)]


def _stop_and_wait(run: Run, _titles: dict[str, Subject]) -> str:
    trials = run.accepted(OURS)
    text = f"## Stop and wait\n\n{_connections(trials)} connections: a line, its ack, the next. {_WAIT}"
    columns = [("acks_per_s", "k acks/s", 1, 1e3), ("p50_ms", "p50 ms", 2, 1.0), ("p99_ms", "p99 ms", 2, 1.0)]
    columns += [("p999_ms", "p99.9 ms", 2, 1.0), ("cpu_s_per_million", "CPU s per 1 M", 2, 1.0)]
    columns += [
        ("peak_rss_mib", "peak RSS MiB", 0, 1.0),
        ("generator_cpu_share", "generator's share of a core", 2, 1.0),
    ]
    return text + _one_row(run, trials, columns)


def _many(run: Run, _titles: dict[str, Subject]) -> str:
    trials = run.accepted(OURS)
    text = f"## Many connections, one line a second each\n\n{_connections(trials)} connections. {_MANY}"
    columns = [("cpu_share", "CPU, share of a core", 3, 1.0), ("rss_mib", "RSS MiB", 0, 1.0)]
    columns += [
        ("peak_rss_mib", "peak RSS MiB", 0, 1.0),
        ("p50_ms", "p50 ms", 2, 1.0),
        ("p99_ms", "p99 ms", 2, 1.0),
    ]
    columns += [("p999_ms", "p99.9 ms", 2, 1.0), ("connect_s", "connect all, s", 2, 1.0)]
    columns += [
        ("generator_cpu_share", "generator's share of a core", 2, 1.0),
        ("send_late_ms_max", "late ms", 1, 1.0),
    ]
    return text + _one_row(run, trials, columns)


def _connections(trials: list[Trial]) -> str:
    return f"{trials[0]['connections']:,}" if trials else "(unknown)"


def _one_row(run: Run, trials: list[Trial], columns: list[tuple[str, str, int, float]]) -> str:
    every = run.all(OURS)
    figures = [_figure(trials, key, digits, scale) for key, _, digits, scale in columns]
    head = ["version", "trials", *(title for _, title, _, _ in columns), "stored"]
    row = [run.versions.get(OURS, "unknown"), f"{len(trials)} of {len(every)}", *figures, _delivered(every)]
    return table(head, [row])


_START_COLUMNS: Final = [("listening_s", "listening, s", 3), ("first_ack_s", "first ack, s", 3)]


def _startup(run: Run, _titles: dict[str, Subject]) -> str:
    trials = run.accepted(OURS)
    text = _STARTUP
    rows = [[f"{len(trials)} of {len(run.all(OURS))}", *_start_figures(trials)]]
    return text + table(["trials", *(title for _, title, _ in _START_COLUMNS), "CPU s", "peak RSS MiB"], rows)


def _recovery(run: Run, _titles: dict[str, Subject]) -> str:
    rows: list[list[str]] = []
    for state in (startup.AS_KILLED, startup.NO_INDEX, startup.COLD):
        trials, every = run.accepted(OURS, state=state), run.all(OURS, state=state)
        counted = f"{len(trials)} of {len(every)}"
        rows.append(
            [state, counted, _figure(trials, "journal_mib", 0), *_start_figures(trials), _delivered(every)]
        )
    head = [
        "state",
        "trials",
        "journal MiB",
        *(title for _, title, _ in _START_COLUMNS),
        "CPU s",
        "peak RSS MiB",
        "stored",
    ]
    return _RECOVERY + table(head, rows)


def _messages(introduction: str, run: Run, _titles: dict[str, Subject]) -> str:
    kinds = list(dict.fromkeys((trial["subject"], trial["what"]) for trial in run.trials))
    rows = []
    for subject, what in kinds:
        trials = run.accepted(subject, what=what)
        counted = f"{len(trials)} of {len(run.all(subject, what=what))}"
        per_s, cpu = _figure(trials, "per_s", 1, 1e3), _figure(trials, "cpu_s_per_million")
        rows.append([subject, what, counted, per_s, cpu, _figure(trials, "peak_rss_mib", 0)])
    head = ["subject", "what", "trials", "k a second", "CPU s per 1 M", "peak RSS MiB"]
    return introduction + table(head, rows)


def _handler(run: Run, _titles: dict[str, Subject]) -> str:
    rows = []
    for what in (handling.THERE, handling.AWAY):
        trials, every = run.accepted(OURS, what=what), run.all(OURS, what=what)
        figures = [_figure(trials, key, digits, scale) for key, digits, scale in _HANDLER_COLUMNS]
        rows.append([what, f"{len(trials)} of {len(every)}", *figures])
    return _HANDLER + table(["", "trials", "p50 µs", "p99 µs", "k records a second", "dropped"], rows)


_HANDLER_COLUMNS: Final = (("p50_us", 1, 1.0), ("p99_us", 1, 1.0), ("per_s", 1, 1e3), ("dropped", 0, 1.0))


def _scraping(run: Run, _titles: dict[str, Subject]) -> str:
    rows = []
    alone = _rates(run, "per_s", OURS, what=scraping.ALONE)
    for what in dict.fromkeys(trial["what"] for trial in run.trials):
        trials, every = run.accepted(OURS, what=what), run.all(OURS, what=what)
        asked = what not in (scraping.ALONE, scraping.IDLE)
        ratio = paired_ratio(_rates(run, "per_s", OURS, what=what), alone) if asked else None
        figures = [_figure(trials, "per_s", 2, 1e6), "-" if ratio is None else ratio.show(3)]
        figures += [_figure(trials, key) for key in ("p50_ms", "p99_ms", "max_ms", "cpu_ms")]
        rows.append([what, f"{len(trials)} of {len(every)}", *figures])
    head = ["what", "trials", "M lines/s", "against nobody asking"]
    return _SCRAPING + table([*head, "answer p50 ms", "p99 ms", "max ms", "CPU ms"], rows)


def _asked(introduction: str, run: Run, _titles: dict[str, Subject]) -> str:
    rows = []
    for what in dict.fromkeys(trial["what"] for trial in run.trials):
        trials = [trial for trial in run.trials if trial["what"] == what and "error" not in trial]
        every = [trial for trial in run.trials if trial["what"] == what]
        figures = [
            _figure(trials, "seconds", 3),
            _figure(trials, "per_s", 0, 1e3),
            _figure(trials, "cpu_s", 3),
        ]
        rows.append([what, f"{len(trials)} of {len(every)}", *figures, _figure(trials, "peak_rss_mib", 0)])
    head = ["what", "trials", "seconds", "k entries a second", "CPU s", "peak RSS MiB"]
    return introduction + table(head, rows)


def _start_figures(trials: list[Trial]) -> list[str]:
    times = [_figure(trials, key, digits) for key, _, digits in _START_COLUMNS]
    return [*times, _figure(trials, "cpu_s"), _figure(trials, "peak_rss_mib", 0)]


def _configurations(runs: dict[str, Run]) -> str:
    described = {name: text for run in runs.values() for name, text in run.described.items()}
    blocks = (f"### {name}\n\n```text\n{text.strip()}\n```\n" for name, text in described.items())
    return "## Commands and configurations\n\n" + "\n".join(blocks)
