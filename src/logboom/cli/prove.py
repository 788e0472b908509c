"""`logboom prove`."""

import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from logboom.cli.prove_cluster import cluster_document, print_cluster, prove_cluster
from logboom.cli.speaking import answer, say

if TYPE_CHECKING:
    from logboom.prove.cluster_chapter import ClusterProof
    from logboom.prove.plan import Progress, Proof

INTERRUPTED: Final = 130
"""The exit code of a program that Ctrl-C has ended, as shells have it."""

FOLLOWS_PER_MINUTE: Final = 2
"""Followed files for each minute of load; each takes some ten seconds."""

Minutes = Annotated[float, typer.Option(min=0.01, help="How long the load lasts; judging comes on top.")]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Of all choices. Without: a new one, which a failure prints.")
]
Keep = Annotated[bool, typer.Option("--keep", help="Keep the last journal also when all is well.")]
Dir = Annotated[
    Path | None,
    typer.Option(
        "--dir", metavar="DIR", help="Where to make the throw-away data directory, such as /var/tmp."
    ),
]
InCluster = Annotated[
    bool,
    typer.Option(
        "--cluster", help="Prove the same of a cluster: three NATS servers, two front ends and a follower."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the table.")]


def prove(
    *,
    minutes: Minutes = 2.0,
    seed: Seed = None,
    keep: Keep = False,
    folder: Dir = None,
    as_json: AsJson = False,
    cluster: InCluster = False,
) -> None:
    """Prove on this machine that nothing acknowledged is lost.

    Starts a server of its own, with a throw-away data directory, on free ports of 127.0.0.1. Honest clients of every
    protocol send to it and remember what was acknowledged; broken ones send garbage at the same time. Meanwhile it
    is killed (SIGKILL), stopped, reloaded, and its disk is full now and then. Afterwards every entry of the journal
    is compared with what the clients remember.

    Then files are followed by `logboom send --follow`, while they are rotated, and both sides are killed: no line may
    be lost, and over WebSocket and HTTP none may come twice.

    With --cluster, all answers are `replicated`, and the servers of a cluster are killed, paused, cut off, and lose
    disk space and power instead; the last three need root. Every acknowledged entry has to be in every copy, once, in
    order, and the copies have to be equal.

    Takes up to 0.6 GB of disk and two cores. A server that runs already, and its data, are not touched.

    Examples:
      logboom prove

      logboom prove --minutes 10 --dir /var/tmp

      logboom prove --minutes 0.2 --seed 7 --json

      sudo logboom prove --cluster --minutes 10

    Exit codes: 0 every promise was kept, 1 one was broken: the data is kept, its path and the seed are printed,
    2 wrong command line, 130 ended by Ctrl-C.
    """
    import random

    from logboom.errors import ConfigError
    from logboom.extras import require
    from logboom.prove.traffic import TRAFFIC
    from logboom.receivers.registry import receiver

    for extra in sorted({receiver(one.listener).extra for one in TRAFFIC.values()} - {""}):
        require(extra, "logboom prove")
    from logboom.prove.engine import prove as run
    from logboom.prove.plan import Plan

    seed = random.SystemRandom().randrange(1 << 31) if seed is None else seed
    plan = Plan(minutes * 60, seed, follows=max(1, round(minutes * FOLLOWS_PER_MINUTE)))
    try:
        place = Path(tempfile.mkdtemp(prefix="logboom-prove-", dir=folder))
    except OSError as error:
        raise ConfigError(f"--dir: no directory can be made in {folder}: {error.strerror}") from error
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: nothing is left behind
    kept = True
    try:
        proof: Proof | ClusterProof
        if cluster:
            proof = prove_cluster(place, seed, plan.seconds)
        else:
            proof = _watched(lambda watch: run(plan, place, watch), plan.seconds)
        kept = keep or not proof.good
    except KeyboardInterrupt:
        kept = keep
        say(f"interrupted; the seed was {plan.seed}")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        if not kept:
            shutil.rmtree(place, ignore_errors=True)
    _print(proof, place if kept else None, as_json=as_json)
    if not proof.good:
        raise typer.Exit(1)


def _print(proof: "Proof | ClusterProof", kept: Path | None, *, as_json: bool) -> None:
    import json

    from logboom.prove.plan import Proof

    if as_json:
        document = _document(proof, kept) if isinstance(proof, Proof) else cluster_document(proof, kept)
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif isinstance(proof, Proof):
        _print_table(proof, kept)
    else:
        print_cluster(proof, kept)


def _watched(run: Any, seconds: float) -> "Proof":
    """Run with a live line, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    errors = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(20),
        TimeElapsedColumn(),
        TextColumn("{task.fields[facts]}"),
    )
    with Bar(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("starting", total=seconds, facts="")

        def watch(progress: "Progress") -> None:
            disasters = progress.disasters
            facts = (
                f"{progress.acked:,} acked · {disasters.kills} kills · {disasters.full_disks} full disks · "
                f"{disasters.stops} stops · {disasters.reloads} reloads · {progress.faulty:,} faulty"
            )
            bar.update(task, description=progress.stage, completed=progress.elapsed_s, facts=facts)

        proof: Proof = run(watch)
        return proof


def _print_table(proof: "Proof", kept: Path | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from logboom.prove.traffic import TRAFFIC

    judgement, disasters = proof.judgement, proof.disasters
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("protocol")
    for title in ("sent", "acked", "stored", "lost", "doubled", "resent, twice there", "out of order"):
        table.add_column(title, justify="right")
    for kind, tally in (*judgement.kinds.items(), ("all", judgement.total)):
        unanswered = kind in TRAFFIC and not TRAFFIC[kind].answers
        numbers = [tally.sent, tally.acked, tally.stored, tally.lost, tally.doubled, tally.resent_doubles]
        cells = [f"{number:,}" for number in (*numbers, tally.disordered)]
        if unanswered:
            cells[1] = cells[3] = "-"  # nothing is acknowledged there
        table.add_row(kind, *cells)
    Console(width=max(100, Console().width)).print(table)
    for protocol, followed in proof.follows.items():
        rotations = followed.renames + followed.copies + followed.truncations
        answer(
            f"{f'followed file, {protocol}':<24} {followed.written:,} lines, {followed.lost:,} lost, "
            f"{followed.doubled:,} doubled; {rotations} rotations, {followed.server_kills} and "
            f"{followed.follower_kills} kills of server and follower"
        )
    answer(f"torn or foreign entries  {judgement.torn}")
    answer(
        f"disasters                {disasters.kills} kills ({disasters.kills_at_start} during recovery), "
        f"{disasters.full_disks} full disks, {disasters.stops} stops, {disasters.reloads} reloads, "
        f"{proof.faulty:,} broken clients"
    )
    answer(f"worst recovery           {disasters.recovery_s_max:.2f} s from a kill to the next ready")
    answer(
        f"rate                     {proof.entries_per_s:,.0f} entries/s over {proof.load_s:.0f} s, disasters included"
    )
    for what in proof.without:
        answer(f"not tried here           {what}: this system does not allow it")
    for text in (*proof.problems, *(example.decode(errors="replace") for example in judgement.examples)):
        answer(f"❌ {text}")
    if kept is not None:
        answer(f"the data is kept in {kept}")
    if proof.good:
        answer("✅ every promise was kept")
    elif proof.kept:
        answer(f"❌ nothing is shown for {', '.join(proof.silent)}: not one entry was acknowledged or stored")
    else:
        answer(f"❌ a promise was broken; the seed is {proof.plan.seed}")


def _document(proof: "Proof", kept: Path | None) -> dict[str, object]:
    from dataclasses import asdict

    judgement = proof.judgement
    return {
        "good": proof.good,
        "seed": proof.plan.seed,
        "seconds": round(proof.load_s, 3),
        "entries_per_s": round(proof.entries_per_s, 1),
        **asdict(judgement.total),
        "torn": judgement.torn,
        "protocols": {kind: asdict(tally) for kind, tally in judgement.kinds.items()},
        "followed": {protocol: asdict(tally) for protocol, tally in proof.follows.items()},
        "disasters": {**asdict(proof.disasters), "strangers": proof.faulty, "not_tried": proof.without},
        "problems": proof.problems,
        "examples": [example.decode(errors="replace") for example in judgement.examples],
        "data_dir": str(kept) if kept else None,
    }
