"""`results.json`: the raw trials of each benchmark, with when, where and how they were measured."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.trial import Trial

RAW: Final = "results.json"


@dataclass(slots=True)
class Run:
    """One benchmark's trials."""

    date: str
    command: str
    quick: bool
    machine: dict[str, str]
    versions: dict[str, str]
    """By subject name."""
    described: dict[str, str]
    """Command and configuration by subject name."""
    skipped: dict[str, str]
    """Reasons for which subjects were not measured, by name."""
    trials: list[Trial]

    def accepted(self, subject: str, **labels: object) -> list[Trial]:
        """The trials that count."""
        return [trial for trial in self.all(subject, **labels) if "error" not in trial]

    def all(self, subject: str, **labels: object) -> list[Trial]:
        """The trials of a subject, rejected ones included."""
        wanted = {"subject": subject, **labels}
        return [trial for trial in self.trials if wanted.items() <= trial.items()]

    def rejected(self) -> list[Trial]:
        """The trials that do not count."""
        return [trial for trial in self.trials if "error" in trial]


def load(folder: Path) -> dict[str, Run]:
    """Earlier runs by benchmark; none when there are none."""
    try:
        stored = json.loads((folder / RAW).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {name: Run(**fields) for name, fields in stored.items()}


def save(folder: Path, runs: dict[str, Run]) -> None:
    """Write the runs, in a stable form that shows well in a diff."""
    text = json.dumps({name: asdict(run) for name, run in runs.items()}, indent=1, ensure_ascii=False)
    (folder / RAW).write_text(_one_line_trials(text) + "\n", encoding="utf-8")


def _one_line_trials(text: str) -> str:
    """A trial a line: its fields, indented by four, are drawn together."""
    out: list[str] = []
    for row in text.split("\n"):
        indent = len(row) - len(row.lstrip())
        if (
            out
            and (indent > 3 or (indent == 3 and row.strip().startswith("}")))
            and out[-1].startswith("   {")
        ):
            out[-1] += row.strip() if row.strip().startswith("}") else f"{row.strip()} "
        else:
            out.append(row)
    return "\n".join(out)
