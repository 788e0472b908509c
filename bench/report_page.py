"""The section of `RESULTS.md` about the page."""

from typing import Final

from bench.results import Run
from bench.spread import spread
from bench.table import table

_PAGE: Final = """\
## The page

In a Chromium without a window on the same two cores, from a server just started whose journal is that of *Reading*.
*First paint* is the browser's first contentful paint; *shown* is when the view's figures or entries stand there.
Seconds from the begin of the navigation.

"""


def page(run: Run, _titles: object) -> str:
    """The section of benchmark `page`."""
    rows = []
    for what in dict.fromkeys(trial["what"] for trial in run.trials):
        every = [trial for trial in run.trials if trial["what"] == what]
        trials = [trial for trial in every if "error" not in trial]
        found = [spread([trial[key] for trial in trials]) for key in ("first_paint_s", "shown_s")]
        figures = ["no accepted trial" if one is None else one.show(3) for one in found]
        rows.append([what, f"{len(trials)} of {len(every)}", *figures])
    return _PAGE + table(["what", "trials", "first paint, s", "shown, s"], rows)


_LIVE: Final = """\
## Live on the page

In the same Chromium; entries are posted at an even rate. *Longest stall* is the longest task of the page's thread, as
the browser reports it. Memory is the script heap after garbage collection, at the begin of the measurement and at
its end.

"""


def live_page(run: Run, _titles: object) -> str:
    """The section of benchmark `live_page`."""
    heads = ["what", "trials", "longest stall, ms", "frames/s", "heap, MiB", "heap at the end, MiB"]
    keys = ("stall_ms", "frames_per_s", "heap_mib", "heap_after_mib")
    rows = []
    for what in dict.fromkeys(trial["what"] for trial in run.trials):
        every = [trial for trial in run.trials if trial["what"] == what]
        trials = [trial for trial in every if "error" not in trial]
        found = [spread([trial[key] for trial in trials]) for key in keys]
        figures = ["no accepted trial" if one is None else one.show(1) for one in found]
        rows.append([what, f"{len(trials)} of {len(every)}", *figures])
    return _LIVE + table(heads, rows)
