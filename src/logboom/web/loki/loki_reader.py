"""Reading of the journal for Loki's API, bounded in time; the work is done on the site's threads."""

import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import MultiDict, MultiMapping

from logboom.formats.buckets import Buckets
from logboom.query.logql.evaluation import Asked, is_plain
from logboom.query.logql.logql_compiler import compile_selection
from logboom.query.logql.logql_parser import parse_selection
from logboom.query.logql.logql_syntax import LogqlError, RangeCount
from logboom.query.logql.samples import Cells, SampleReader
from logboom.query.matching import Filter
from logboom.query.stream_counter import Counts, LabelGrouping, StreamCounter, TooManyGroupsError
from logboom.query.volume_counter import VolumeCounter
from logboom.web.loki.loki_parameters import LABELS_SPAN_DEFAULT_US, TimeRange, span_of
from logboom.web.site import SITE, Site

QUERY_S_MAX: Final = 5.0
"""Time of one query: Grafana has no way to go on with one that is not done, and waits for half a minute."""

FORM_BYTES_MAX: Final = 64 << 10
"""Longest form of a query by POST."""

FORM_FIELDS_MAX: Final = 100
"""Fields of such a form: matchers may be given several times."""

WHOLE_US: Final = 86_400 * 10**12
"""Width of a cell that holds all times."""


class LokiReader:
    """Counts for one listener.

    Args:
        site: the listener's.
        volume: counts by level, from roll-ups where it can.
    """

    def __init__(self, site: Site, volume: VolumeCounter) -> None:
        self._streams = StreamCounter(site.log)
        self._samples = SampleReader(site.log)
        self._volume = volume

    def count(self, asked: Asked, give_up: Callable[[], bool]) -> Counts:
        """Count entries. Raises `LogqlError`."""
        wanted = TimeRange(asked.since, asked.until).limit(asked.wanted)
        if is_plain(asked):
            return self._by_level(wanted, asked, give_up)
        try:
            return self._streams.count(wanted, asked.width, asked.grouping, give_up)
        except TooManyGroupsError as error:
            raise LogqlError(f"{error}: use a narrower selector, or sum by (…)") from None

    def sample(self, asked: Asked, metric: RangeCount, give_up: Callable[[], bool]) -> tuple[Cells, float]:
        """Read the values of entries. Raises `LogqlError`."""
        wanted = TimeRange(asked.since, asked.until).limit(asked.wanted)
        return self._samples.read(metric, wanted, asked.width, asked.grouping, give_up)

    def _by_level(self, wanted: Filter, asked: Asked, give_up: Callable[[], bool]) -> Counts:
        """Count by level, as the page's pictures do."""
        buckets = Buckets(asked.since, asked.until, asked.width)
        volume = self._volume.count(wanted, buckets, give_up)
        counts = Counts.empty(volume.progress)
        for level, row in volume.levels.items():
            labels = asked.grouping.of({"level": level.lower()} if level else {})
            for place, number in enumerate(row):
                if number:
                    counts.entries[buckets.first + place, labels] += number
        return counts

    def streams(
        self,
        wanted: Filter,
        span: TimeRange,
        give_up: Callable[[], bool],
        grouping: LabelGrouping | None = None,
    ) -> Counts:
        """Count all streams in a time. Raises `LogqlError`."""
        asked = Asked(wanted, span.since, span.until, WHOLE_US, grouping or LabelGrouping(), sized=True)
        return self.count(asked, give_up)


READER: Final = web.AppKey("loki", LokiReader)


async def parameters_of(request: web.Request) -> MultiMapping[str]:
    """Return the parameters of a query, of its address or of a form. Raises `LogqlError`."""
    if request.method != "POST":
        return request.query
    body = bytearray()
    while len(body) <= FORM_BYTES_MAX and (data := await request.content.readany()):
        body += data
    if len(body) > FORM_BYTES_MAX:
        raise LogqlError(f"the form has more than {FORM_BYTES_MAX} bytes")
    try:
        form = parse_qsl(body.decode(errors="replace"), max_num_fields=FORM_FIELDS_MAX)
    except ValueError:
        raise LogqlError(f"the form has more than {FORM_FIELDS_MAX} fields") from None
    return MultiDict([*request.query.items(), *form])


def deadline(site: Site) -> Callable[[], bool]:
    """Return whether a query has taken too long."""
    ends_at = time.monotonic() + QUERY_S_MAX
    return lambda: site.closing or time.monotonic() > ends_at


def selection_of(parameters: Mapping[str, str], name: str = "query") -> Filter:
    """Return the filter of a stream selector; without one, everything. Raises `LogqlError`."""
    text = parameters.get(name, "")
    return compile_selection(parse_selection(text)).wanted if text.strip() else Filter()


def labels_span(parameters: Mapping[str, str]) -> TimeRange:
    """Return the time of a question for labels. Raises `LogqlError`."""
    return span_of(parameters, LABELS_SPAN_DEFAULT_US)


def site_of(request: web.Request) -> Site:
    """Return the listener's state."""
    return request.app[SITE]
