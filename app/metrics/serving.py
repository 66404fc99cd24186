"""The web processes of this machine's gunicorn: which are there, and what they take."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.metrics.processes import cpu_s, resident_bytes
from app.metrics.web import DIRECTORY


class ServingCollector(Collector):
    """gunicorn notes the pid of each of its workers (app/gunicorn.py); elsewhere there is this process alone."""

    def collect(self) -> Iterator[Metric]:
        """Processes, memory, processor time."""
        memory = GaugeMetricFamily("grouparoo_web_resident_memory_bytes", "Memory of a web process.", labels=["slot"])
        cpu = CounterMetricFamily("grouparoo_web_cpu_seconds", "Processor time of a web process.", labels=["slot"])
        alive = 0
        for slot, pid in _pids():
            held, taken = resident_bytes(pid), cpu_s(pid)
            if held is not None and taken is not None:
                alive += 1
                memory.add_metric([slot], held)
                cpu.add_metric([slot], taken)
        yield GaugeMetricFamily("grouparoo_web_processes", "Web processes of this machine's gunicorn.", alive)
        yield memory
        yield cpu


def _pids() -> list[tuple[str, str]]:
    """(slot, pid) of each web process."""
    directory = os.environ.get(DIRECTORY)
    if not directory:
        return [("0", "self")]
    found = []
    for path in sorted(Path(directory).glob("*.pid")):
        with suppress(FileNotFoundError):  # it ended just now
            found.append((path.stem, path.read_text()))
    return found
