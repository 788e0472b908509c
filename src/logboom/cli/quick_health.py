"""`logboom health` as container engines run it, without the imports of a command line: a tenth of its time.

Whatever is not plain here, such as a server that does not answer, is left to the command itself.
"""

import os

from logboom.cli.health_report import TIMEOUT_S, document_of, report
from logboom.ops.health_client import ask


def answer(words: list[str]) -> int | None:
    """The exit code; None: the command itself is needed.

    Args:
        words: what stands behind `logboom health`.
    """
    data_dir, flags = _parse(words)
    if flags - {"--strict", "--json"}:
        return None
    if not data_dir and os.path.lexists("logboom.toml"):  # it may name the data directory
        return None
    try:
        body = ask(data_dir or os.environ.get("LOGBOOM_DATA_DIR") or "logboom-data", TIMEOUT_S)
    except OSError:
        return None
    return report(document_of(body), as_json="--json" in flags, strict="--strict" in flags)


def _parse(words: list[str]) -> tuple[str, set[str]]:
    """The data directory, if one is named, and all other words."""
    data_dir, flags, rest = "", set(), iter(words)
    for word in rest:
        if word == "--data-dir":
            data_dir = next(rest, "")
        elif word.startswith("--data-dir="):
            data_dir = word.removeprefix("--data-dir=")
        else:
            flags.add(word)
    return data_dir, flags
