"""`logboom prove --cluster`: the run, and its table of faults."""

from pathlib import Path
from typing import TYPE_CHECKING

from logboom.cli.speaking import answer

if TYPE_CHECKING:
    from logboom.prove.cluster_chapter import ClusterProof


def prove_cluster(folder: Path, seed: int, seconds: float) -> "ClusterProof":
    """Run the cluster chapter, with a live line on a terminal.

    Args:
        folder: an empty directory.
        seed: of all choices.
        seconds: time after which no further fault begins.
    """
    from rich.console import Console

    from logboom.extras import require
    from logboom.prove.cluster_chapter import ClusterChapter

    require("cluster", "logboom prove --cluster")
    errors = Console(stderr=True)
    with errors.status("starting", spinner="line") as status:

        def watch(faults: int, acked: int) -> None:
            status.update(f"{faults} faults, {acked:,} acked")

        return ClusterChapter(folder, seed, seconds=seconds, watch=watch).run()


def print_cluster(proof: "ClusterProof", kept: Path | None) -> None:
    """Print the table of faults, and the judgement of each copy."""
    import sys

    from logboom.viewer.tables import write_table

    rows = [
        (kind, f"{tally.count}", f"{tally.stall_s_max:.1f} s") for kind, tally in sorted(proof.faults.items())
    ]
    write_table(sys.stdout, ("FAULT", "TIMES", "LONGEST STALL"), rows)
    for number, judgement in enumerate(proof.judgements, 1):
        total = judgement.total
        answer(
            f"copy {number}: {total.acked:,} acked, {total.lost} lost, {total.doubled} doubled, "
            f"{total.disordered} out of order, {judgement.torn} torn"
        )
    answer(f"{proof.count} faults; SHA-256 of the copies {proof.digest or 'unknown'}")
    for what, reason in proof.without.items():
        answer(f"not tried here: {what}: {reason}")
    examples = [text.decode(errors="replace") for one in proof.judgements for text in one.examples]
    for text in (*proof.problems, *examples):
        answer(f"❌ {text}")
    if kept is not None:
        answer(f"the data is kept in {kept}")
    answer(
        "✅ every promise was kept" if proof.good else f"❌ a promise was broken; the seed is {proof.seed}"
    )


def cluster_document(proof: "ClusterProof", kept: Path | None) -> dict[str, object]:
    """Return the same as a document."""
    from dataclasses import asdict

    return {
        "good": proof.good,
        "seed": proof.seed,
        "faults": {kind: asdict(tally) for kind, tally in proof.faults.items()},
        "copies": [{**asdict(one.total), "torn": one.torn} for one in proof.judgements],
        "digest": proof.digest,
        "not_tried": proof.without,
        "problems": proof.problems,
        "data_dir": str(kept) if kept else None,
    }
