"""The whole system: from POST to visible, and memory while a million events pass."""

import statistics
import time
from collections.abc import Callable

import orjson
import psutil
import requests

from app.keys import PERMISSIONS, create_key
from bench.places import Place
from bench.table import Row
from bench.workload import Visitors
from tests.servers import Process, Web, wait_until, worker

POSTS = 1000
MILLION = 1_000_000
MIB = 1024 * 1024


def measure_latency(place: Place) -> list[Row]:
    """POST an event, and ask for its device's profile until it is there; 1,000 times on an idle system."""

    def ask(web: Web, _: Process, key: str) -> list[Row]:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {key}"
        took = sorted(_until_visible(session, web.url, f"device-{number}") for number in range(POSTS))
        median, p99 = statistics.median(took) * 1000, took[int(POSTS * 0.99)] * 1000
        figures = f"median {median:.0f} ms, p99 {p99:.0f} ms, worst {took[-1] * 1000:.0f} ms"
        return [Row("POST to visible on the profile", figures, "–", None, "150 ms, 500 ms, 2,000 ms")]

    return _with_system(place, ask)


def measure_memory(place: Place) -> list[Row]:
    """What web and worker hold more after a million events than at the start."""

    def pass_events(web: Web, drain: Process, key: str) -> list[Row]:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {key}"
        visitors = Visitors()
        _send(session, web.url, visitors, 20_000)  # what both hold once they are warm
        before = _memory(web), _memory(drain)
        _send(session, web.url, visitors, MILLION)
        with place.app.app_context():
            wait_until(lambda: _is_drained(place), 600, "the end of the drain")
        grown = [(now - then) / MIB for now, then in zip((_memory(web), _memory(drain)), before, strict=True)]
        return [
            Row(
                f"memory, {MILLION:,} events",
                f"web +{grown[0]:.0f} MB, worker +{grown[1]:.0f} MB",
                "at the start",
                None,
                "+50 MB each",
            )
        ]

    return _with_system(place, pass_events)


def _with_system(place: Place, measure: Callable[[Web, Process, str], list[Row]]) -> list[Row]:
    with place.app.app_context():
        _, key = create_key("bench", PERMISSIONS)
    web, drain = Web(place.environ), worker(place.environ)
    web.start()
    drain.start()
    try:
        return measure(web, drain, key)
    finally:
        web.stop()
        drain.stop()


def _until_visible(session: requests.Session, url: str, device: str) -> float:
    began = time.perf_counter()
    session.post(f"{url}/api/v1/track", json={"type": "visit", "anonymousId": device}).raise_for_status()
    while session.get(f"{url}/api/v1/profiles/by/anonymousId/{device}").status_code != 200:
        time.sleep(0.005)
    return time.perf_counter() - began


def _send(session: requests.Session, url: str, visitors: Visitors, count: int) -> None:
    for _ in range(count // 1000):
        events = visitors.events(1000)
        body = [{"type": e.type, "userId": e.user_id, "anonymousId": e.anonymous_id, "data": e.data} for e in events]
        while session.post(f"{url}/api/v1/batch", data=orjson.dumps(body)).status_code != 202:
            time.sleep(0.5)


def _is_drained(place: Place) -> bool:
    stream: object = place.app.extensions["grouparoo"].stream.depth().entries
    return stream == 0


def _memory(process: Process) -> int:
    root = psutil.Process(process.pid)
    return sum(int(one.memory_info().rss) for one in [root, *root.children(recursive=True)])
