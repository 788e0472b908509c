"""A progress bar for commands that read the journal, on standard error where that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def entries_progress() -> Iterator[Callable[[int, int, int], object]]:
    """Show a bar; call what this yields with the first sequence, the one that was reached, and the end.

    It counts sequences: a filter may leave few entries of them.
    """
    if not sys.stderr.isatty():
        yield lambda _first, _reached, _end: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} entries"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("entries", total=0)
        yield lambda first, reached, end: bar.update(task, completed=reached - first, total=end - first)
