"""The proxy does what it says, for else the stories would show nothing."""

import base64
import gzip
import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from urllib.parse import quote_plus

import pytest
import requests

from tests.collector import Collector
from tests.sdks.faults import EVERY, MOST_IN_A_ROW, Fault, schedule
from tests.sdks.proxy import Proxy
from tests.sdks.seen import marks

HOME = '{"event": "page", "properties": {"step": "home"}}'


@pytest.fixture
def service() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def post(proxy: Proxy, path: str = "/v1/track") -> int | None:
    """The status, or None if the connection was closed without an answer."""
    try:
        return requests.post(proxy.url + path, HOME, headers={"Origin": "http://page"}, timeout=10).status_code
    except requests.ConnectionError:
        return None


@pytest.mark.parametrize(
    "fault, answered, arrived",
    [(Fault.DROPPED, None, 0), (Fault.LOST, None, 1), (Fault.BUSY, 503, 0), (Fault.NONE, 200, 1)],
)
def test_a_fault_does_what_it_says(service: Collector, fault: Fault, answered: int | None, arrived: int) -> None:
    with Proxy(service.port, [fault], seed=1) as proxy:
        assert post(proxy) == answered

    assert service.bodies("/v1/track") == [HOME.encode()] * arrived


def test_what_is_told_twice_though_it_was_taken_is_known(service: Collector) -> None:
    with Proxy(service.port, [Fault.LOST], seed=1) as proxy:
        assert post(proxy) is None
        assert not proxy.are_settled({"home"}) and proxy.are_taken({"home"})
        assert post(proxy) == 200

        assert proxy.are_settled({"home"})
        assert proxy.sent_again() == {"home"}
        assert not proxy.are_taken({"home", "purchase"})


def test_what_sdks_ask_before_they_send_goes_through(service: Collector) -> None:
    with Proxy(service.port, [Fault.DROPPED], seed=1) as proxy:
        assert post(proxy, "/flags/?v=2") == 200
        assert post(proxy) is None


@pytest.mark.parametrize("seed", range(50))
def test_a_schedule_has_each_fault_and_never_too_many_in_a_row(seed: int) -> None:
    told = list(islice(schedule(EVERY, random.Random(seed)), 20))

    assert Counter(told) - Counter({Fault.NONE: 20}) == Counter(EVERY)
    assert told[0] is not Fault.NONE
    rows = "".join("." if fault is Fault.NONE else "x" for fault in told)
    assert "x" * (MOST_IN_A_ROW + 1) not in rows


BASE64 = base64.b64encode(HOME.encode()).decode()


@pytest.mark.parametrize(
    "path, body",
    [
        ("/", HOME.encode()),
        ("/", gzip.compress(HOME.encode(), mtime=0)),
        ("/", f"data={quote_plus(HOME)}&verbose=1".encode()),
        ("/", f"data={BASE64}".encode()),
        ("/", f"data={quote_plus(BASE64)}".encode()),
        (f"/track?data={quote_plus(BASE64)}", b""),
        ("/i?url=https%3A%2F%2Fshop.example%2F%3Fstep%3Dhome", b""),
    ],
)
def test_steps_are_seen_whatever_they_are_packed_in(path: str, body: bytes) -> None:
    assert marks(path, body) == {"home"}
