"""Entry point of the load generator's process: runs one scenario of `bench.load` or `bench.hardship_load`."""

import json
import sys
from collections.abc import Callable
from typing import Final

from bench.hardship_load import churn, dribble, honest
from bench.load import LoadError, emit, many, stop_and_wait, stream

SCENARIOS: Final[dict[str, Callable[..., None]]] = {
    "stream": stream,
    "stop-and-wait": stop_and_wait,
    "many": many,
    "churn": churn,
    "honest": honest,
    "dribble": dribble,
}


def main(arguments: list[str]) -> int:
    """Run the scenario named first with the JSON arguments named second."""
    try:
        SCENARIOS[arguments[0]](**json.loads(arguments[1]))
    except (LoadError, OSError) as error:
        emit("error", reason=f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
