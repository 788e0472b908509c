"""A coverage-guided fuzzer over the checks of `test_fuzz_protocols.py`: `python tests/property/fuzz.py TARGET RUNS`.

It wants atheris, which has wheels for x86-64 only: `pip install atheris`. `make fuzz` runs all targets. Each starts
from its corpus and ends with the first input that fails, which stays there as `crash-…`: rename it after what is
special about it. What is only new on the way is not kept.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["logboom"]):
    from tests.property.test_fuzz_protocols import CHECKS, CORPUS

INPUT_BYTES_MAX = 4096


def fuzz(target: str, runs: str) -> None:
    """Run so many inputs of a target, the same ones as long as the code is the same; ends the process."""
    folder = CORPUS / target
    options = [
        f"-runs={runs}",
        f"-max_len={INPUT_BYTES_MAX}",
        f"-artifact_prefix={folder}/",
        "-seed=1",
        "-verbosity=0",
    ]
    with tempfile.TemporaryDirectory() as fresh:
        atheris.Setup([sys.argv[0], *options, fresh, str(folder)], CHECKS[target])
        atheris.Fuzz()


def main(target: str, runs: str) -> None:
    """Run one target, or all."""
    if target != "all":
        fuzz(target, runs)
    for name in CHECKS:
        print(f"--- {name}", flush=True)
        subprocess.run([sys.executable, __file__, name, runs], check=True)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in {*CHECKS, "all"}:
        raise SystemExit(f"usage: fuzz.py {'|'.join(CHECKS)}|all RUNS")
    main(*sys.argv[1:])
