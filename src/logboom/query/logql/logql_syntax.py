"""Tree of a LogQL query: immutable nodes, made by `logql_parser`."""

from typing import Final, TypeAlias

import msgspec


class _Node(msgspec.Struct, frozen=True, gc=False):
    """A value: equal to another one of the same type with the same parts."""


class LineFilter(_Node, frozen=True, gc=False):
    """Stage that keeps lines with one of some texts, or without all of them."""

    operator: str
    """One of `|=`, `!=`, `|~`, `!~`."""
    values: tuple[str, ...]


class LabelTest(_Node, frozen=True, gc=False):
    """Comparison of a label: of a stream in a selector, of a stream or a field in a stage."""

    name: str
    operator: str
    """One of `=`, `!=`, `=~`, `!~`; in a stage also `==`, `>`, `>=`, `<`, `<=`."""
    value: str | float


class AllTests(_Node, frozen=True, gc=False):
    """Tests that must all be passed."""

    parts: "tuple[LabelFilter, ...]"


class AnyTest(_Node, frozen=True, gc=False):
    """Tests of which one must be passed."""

    parts: "tuple[LabelFilter, ...]"


LabelFilter: TypeAlias = LabelTest | AllTests | AnyTest


class Parser(_Node, frozen=True, gc=False):
    """Stage that makes labels of fields."""

    name: str
    """`json` or `logfmt`."""
    wanted: tuple[tuple[str, str], ...] = ()
    """Labels and the places of their values, such as `("host", "request.headers.host")`; empty: all fields."""


class Extraction(_Node, frozen=True, gc=False):
    """Stage that makes labels of parts of the line."""

    name: str
    """`pattern` or `regexp`."""
    text: str


class LineFormat(_Node, frozen=True, gc=False):
    """Stage that makes another line of each."""

    template: str
    """See `go_template`."""


class LabelFormat(_Node, frozen=True, gc=False):
    """Stage that renames labels, or makes others."""

    changes: tuple[tuple[str, str, bool], ...]
    """Name, and the label that is renamed, or (True) a template."""


class LabelChoice(_Node, frozen=True, gc=False):
    """Stage that leaves labels out: `drop`, or all but some: `keep`."""

    names: tuple[str, ...]
    keeps: bool


class Decolorize(_Node, frozen=True, gc=False):
    """Stage that leaves the colours of terminals out of the line."""


Stage: TypeAlias = (
    LineFilter | LabelFilter | Parser | Extraction | LineFormat | LabelFormat | LabelChoice | Decolorize
)


class LineSelection(_Node, frozen=True, gc=False):
    """Query for lines: a stream selector with the stages of its pipeline."""

    matchers: tuple[LabelTest, ...]
    stages: tuple[Stage, ...] = ()


class Unwrap(_Node, frozen=True, gc=False):
    """Label whose number is the value of a line."""

    name: str
    conversion: str = ""
    """Empty, `duration`, `duration_seconds` or `bytes`."""
    tests: tuple[LabelFilter, ...] = ()
    """Tests of labels after it."""


class RangeCount(_Node, frozen=True, gc=False):
    """Count of lines or bytes, or a function of values, in a range of time before each moment."""

    function: str
    """One of `RANGE_FUNCTIONS`, or of `VALUE_FUNCTIONS` with `unwrap`."""
    selection: LineSelection
    range_us: int
    offset_us: int = 0
    unwrap: Unwrap | None = None
    parameter: float = 0.0
    """Quantile of `quantile_over_time`."""
    names: tuple[str, ...] | None = None
    """Labels of the series; None: those of `Aggregation` around it, or all."""
    without: bool = False


class Number(_Node, frozen=True, gc=False):
    """A constant."""

    value: float


class Vector(_Node, frozen=True, gc=False):
    """`vector(n)`: one series without labels."""

    value: float


class Aggregation(_Node, frozen=True, gc=False):
    """Combination of several series to fewer."""

    operator: str
    """One of `AGGREGATIONS`, `topk` or `bottomk`."""
    inner: "Metric"
    names: tuple[str, ...] = ()
    without: bool = False
    """The names are those of the labels that are left out."""
    count: int = 0
    """Number of series of `topk` and `bottomk`."""


class Binary(_Node, frozen=True, gc=False):
    """Arithmetic or comparison of two metrics."""

    operator: str
    left: "Metric"
    right: "Metric"


Metric: TypeAlias = RangeCount | Number | Vector | Aggregation | Binary

RANGE_FUNCTIONS: Final = ("count_over_time", "rate", "bytes_over_time", "bytes_rate")
VALUE_FUNCTIONS: Final = (
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "first_over_time",
    "last_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "quantile_over_time",
)
AGGREGATIONS: Final = ("sum", "min", "max", "avg", "count")
RANKINGS: Final = ("topk", "bottomk")


class LogqlError(ValueError):
    """The query can't be read, or asks for what is not offered.

    Args:
        text: what was found, and what was expected.
        position: of the place in the query, in characters from 0.
    """

    def __init__(self, text: str, position: int = 0) -> None:
        super().__init__(f"parse error at line 1, col {position + 1}: {text}")
