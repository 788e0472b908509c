"""An application that logs through `LogboomHandler`, for figures: `python -m bench.handler_load URL SPOOL RECORDS`."""

import json
import logging
import sys
import time

import logboom
from bench.spread import percentile

WARM_UP: int = 2000
MARKS = {"p50_us": 50.0, "p99_us": 99.0}


def main(url: str, spool: str, records: int) -> None:
    """Log one record after the other, and time each call of `emit`."""
    handler = logboom.LogboomHandler(url, spool_dir=spool, service_name="bench", flush_timeout_s=60)
    taken: list[int] = []
    emit = handler.emit

    def timed(record: logging.LogRecord) -> None:
        started = time.perf_counter_ns()
        emit(record)
        taken.append(time.perf_counter_ns() - started)

    handler.emit = timed  # type: ignore[method-assign]
    logger = logging.getLogger("bench.orders")
    logger.addHandler(handler)
    logger.propagate = False
    started = 0.0
    for number in range(-WARM_UP, records):
        if number == 0:
            taken.clear()
            started = time.perf_counter()
        logger.warning("order %d paid", number, extra={"customer": 4711})
    seconds = time.perf_counter() - started
    handler.flush()
    ordered = sorted(taken)
    figures = {name: percentile(ordered, mark) / 1000 for name, mark in MARKS.items()}
    print(json.dumps({"records": records, "per_s": records / seconds, "dropped": handler.dropped, **figures}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
