"""`python -m bench`: prints the speed table of 06-quality as ratios taken in one run. --large takes 10⁷ stored events."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import draining, refreshing, requests, segments, whole
from bench.places import POSTGRES_OPTIONS, Servers
from bench.table import Row, print_table


def main() -> None:
    """Measure what is asked for (everything, by default) and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    known = "requests, drain, size, refresh, heavy, latency, memory, segments; all, if none is named"
    parser.add_argument("rows", nargs="*", help=known)
    parser.add_argument("--events", type=int, default=50_000, help="events in a round of the drain's rows")
    parser.add_argument("--large", action="store_true", help="10⁷ instead of 10⁶ events stored")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, Servers(Path(name)) as servers:
        Path(name).chmod(0o755)
        stored = 10_000_000 if options.large else 1_000_000
        measures: dict[str, Callable[[], list[Row]]] = {
            "requests": lambda: requests.measure(servers.place(), Path(name)),
            "drain": lambda: draining.measure(servers, options.events),
            "size": lambda: draining.measure_size(servers, 10_000, stored),
            "refresh": lambda: refreshing.measure(servers, options.events),
            "heavy": lambda: refreshing.measure_heavy(servers),
            "latency": lambda: whole.measure_latency(servers.place()),
            "memory": lambda: whole.measure_memory(servers.place()),
            "segments": lambda: segments.measure(servers.place(), 100_000),
        }
        for name_of_row in options.rows or measures:
            rows += measures[name_of_row]()
    print_table(rows, f"PostgreSQL 18 with {POSTGRES_OPTIONS}; Valkey 9 with appendonly yes")


if __name__ == "__main__":
    main()
