"""Lines lost by `logboom send --follow`: many random schedules, counted per protocol; writes RESULTS-follow.md.

python -m bench.follow --schedules 200 --jobs 2 --seed 1
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import fields
from pathlib import Path
from typing import Final

from logboom.prove.follow import PROTOCOLS, STORE_ONCE, FollowTally, follow_once

RESULTS: Final = Path(__file__).with_name("RESULTS-follow.md")
ONCE_SHARE: Final = 2
"""Schedules over WebSocket and HTTP for each one over another protocol: there, nothing may be doubled either."""

Task = tuple[str, int]


def tasks(schedules: int, seed: int) -> Iterator[Task]:
    order = sorted(STORE_ONCE) * (ONCE_SHARE - 1) + list(PROTOCOLS)
    for number in range(schedules):
        yield order[number % len(order)], seed * 100_000 + number


def run(task: Task) -> tuple[FollowTally, str]:
    """One schedule; its data is kept when a line is lost, or doubled over WebSocket or HTTP."""
    protocol, seed = task
    folder = Path(tempfile.mkdtemp(prefix=f"logboom-follow-{protocol}-{seed}-"))
    try:
        tally, said = follow_once(folder, protocol, seed)
    except AssertionError as error:
        return FollowTally(schedules=1), f"{protocol}, seed {seed}, stuck, kept in {folder}: {error}"
    if tally.lost or (tally.doubled and protocol in STORE_ONCE):
        return tally, f"{protocol}, seed {seed}: {tally}, kept in {folder}; reported: {said}"
    shutil.rmtree(folder)
    return tally, ""


def table(tallies: dict[str, FollowTally]) -> str:
    titles = [field.name.replace("_", " ") for field in fields(FollowTally)]
    rows = [f"| protocol | {' | '.join(titles)} |", "|---|" + "---:|" * len(titles)]
    total = sum(tallies.values(), FollowTally())
    for name, tally in (*tallies.items(), ("all", total)):
        numbers = [f"{getattr(tally, field.name):,}" for field in fields(FollowTally)]
        rows.append(f"| {name} | {' | '.join(numbers)} |")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    tallies = {protocol: FollowTally() for protocol in PROTOCOLS}
    problems = []
    with ThreadPoolExecutor(chosen.jobs) as pool:
        running = {pool.submit(run, task): task for task in tasks(chosen.schedules, chosen.seed)}
        for done in as_completed(running):
            protocol, seed = running[done]
            tally, problem = done.result()
            tallies[protocol] += tally
            problems += [problem] if problem else []
            print(protocol, seed, tally, problem, flush=True)
    command = (
        f"python -m bench.follow --schedules {chosen.schedules} --jobs {chosen.jobs} --seed {chosen.seed}"
    )
    RESULTS.write_text(TEXT.format(command=command, table=table(tallies)))
    print(table(tallies))
    return 1 if problems else 0


TEXT: Final = """# Lines lost by `send --follow`

Random schedules, each with a server, a follower and a writer of its own. The writer appends lines in pieces that end
anywhere, renames the file (numbers, dates, several renames within milliseconds), copies and truncates it, and
truncates it once all of it was read. Server and follower are killed (SIGKILL) and started at random moments; the
rotations go on meanwhile. At the end both run, and every line is looked for in the journal.

    {command}

{table}

Lost must be 0 everywhere. Doubled must be 0 over a WebSocket, which asks for what is stored before it sends anything
again, and over HTTP, where each request has an idempotency key. Elsewhere, the lines of one exchange (256 at most) come
twice when the follower or the server is killed between storing and noting the answer.

Not part of the schedules, since no follower can read it: lines that are written and truncated between two looks at the
file, without a copy of it.
"""

if __name__ == "__main__":
    raise SystemExit(main())
