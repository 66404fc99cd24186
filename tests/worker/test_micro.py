"""Micro mode, as other people's tests use it: one process, whose memory is all there is."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import grouparoo
import psutil
import pytest
import requests

from app import BOOT_ERROR
from tests.servers import ROOT, die_with_parent

pytestmark = pytest.mark.timeout(120)

KEY = "key-of-the-tests"
HEADERS = {"Authorization": f"Bearer {KEY}"}


class MicroServer:
    """The process, in a temporary folder of its own that nothing may be left in."""

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        command = [sys.executable, "-P", "-m", "worker.micro", "--port", "0", "--key", KEY, *arguments]
        kept = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        self.folder = folder
        self.process = subprocess.Popen(
            command,
            env={**kept, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **environ},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )

    def __enter__(self) -> Self:
        assert self.process.stdout and self.process.stderr
        printed = self.process.stdout.readline() + self.process.stdout.readline()
        if "Serving" not in printed:
            raise AssertionError(self.process.stderr.read())
        self.url = re.findall(r"http://[\d.:]+", printed)[0]
        assert f"API key: {KEY}\n" in printed
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def post(self, path: str, body: Any, key: str = KEY) -> requests.Response:
        return requests.post(self.url + path, json=body, headers={"Authorization": f"Bearer {key}"}, timeout=10)

    def get(self, path: str) -> Any:
        answer = requests.get(self.url + path, headers=HEADERS, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def reset(self) -> None:
        assert requests.post(f"{self.url}/micro/reset", timeout=10).json() == {"good": 0, "bad": 0, "refused": 0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MicroServer]:
    with MicroServer(tmp_path_factory.mktemp("micro")) as server:
        yield server


@pytest.fixture
def micro(server: MicroServer) -> MicroServer:
    server.reset()
    return server


def event(message_id: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"type": "pageview", "anonymousId": "phone", "messageId": message_id, **fields}


def test_an_event_is_there_with_its_profile_at_once(micro: MicroServer) -> None:
    micro.post("/api/v1/track", event("m1", data={"path": "/"}))

    found = micro.get("/micro/events/m1")

    assert (found["state"], found["times"], found["rejections"]) == ("stored", 1, [])
    assert found["event"]["data"] == {"path": "/"}
    assert found["profile"]["guid"] == found["event"]["profileGuid"]
    assert found["profile"]["identifiers"] == [{"kind": "anonymous", "value": "phone"}]
    assert micro.get("/api/v1/profiles/by/anonymousId/phone")["profile"] == found["profile"]


def test_a_sign_in_takes_along_what_the_device_did_before(micro: MicroServer) -> None:
    micro.post("/api/v1/track", event("m1"))
    micro.post("/api/v1/track", event("m2", userId="ann"))

    first, second = (micro.get(f"/micro/events/{message}") for message in ("m1", "m2"))

    assert first["profile"] == second["profile"]
    assert {"kind": "user", "value": "ann"} in first["profile"]["identifiers"]
    stored = micro.get(f"/api/v1/events?profileGuid={second['profile']['guid']}")["events"]
    assert {one["messageId"] for one in stored} == {"m1", "m2"}


def test_a_message_that_comes_again_is_one_event_that_came_twice(micro: MicroServer) -> None:
    for _ in range(2):
        micro.post("/api/v1/batch", [event("m1"), event("m1")])

    assert micro.get("/micro/all") == {"good": 1, "bad": 0, "refused": 0}
    assert micro.get("/micro/events/m1")["times"] == 4
    assert len(micro.get("/api/v1/events")["events"]) == 1


def test_a_bad_event_is_listed_with_its_reasons(micro: MicroServer) -> None:
    bad = {"type": "", "messageId": "m2"}
    micro.post("/api/v1/batch", [event("m1"), bad])

    (found,) = micro.get("/micro/bad")["bad"]

    assert (found["messageId"], found["reason"], found["event"]) == ("m2", "invalid", bad)
    assert "type" in found["errors"] and found["request"] == {"method": "POST", "path": "/api/v1/batch"}
    told = micro.get("/micro/events/m2")
    assert (told["state"], told["rejections"]) == ("rejected", [found])
    assert [one["messageId"] for one in micro.get("/micro/good")["good"]] == ["m1"]


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [10**30, -(10**30), nested(240), nested(300), nested(900)])
@pytest.mark.parametrize("name", ["data", "messageId"])
def test_a_bad_event_that_no_answer_could_hold_is_told_nearly_as_it_was(micro: MicroServer, name: str, value: Any) -> None:
    fields = {"data": {"x": [value]}} if name == "data" else {"messageId": value}
    assert micro.post("/api/v1/track", {"type": "", "messageId": "m1", **fields}).status_code == 400

    (found,) = micro.get("/micro/bad")["bad"]

    assert "type" in found["errors"]
    if isinstance(value, int):
        told = {"data": {"x": [str(value)]}} if name == "data" else {"messageId": str(value)}
        assert found["event"] == {"type": "", "messageId": "m1", **told}
    if name == "data":
        assert micro.get("/micro/events/m1")["rejections"] == [found]


def test_a_single_bad_event_is_no_refused_request_too(micro: MicroServer) -> None:
    assert micro.post("/api/v1/track", {"type": "click"}).status_code == 400
    assert micro.post("/api/v1/batch", [{"type": "click"}, 7]).status_code == 400

    assert micro.get("/micro/all") == {"good": 0, "bad": 3, "refused": 0}


def test_an_event_that_is_too_large_is_listed_once(micro: MicroServer) -> None:
    micro.post("/api/v1/batch", [event("m1", data={"text": "x" * 40_000}), event("m2")])

    (found,) = micro.get("/micro/bad")["bad"]
    assert (found["messageId"], found["reason"]) == ("m1", "too_large")


def test_an_event_mended_and_sent_again_is_stored_and_its_rejection_told(micro: MicroServer) -> None:
    micro.post("/api/v1/track", {"type": "click", "messageId": "m1"})
    micro.post("/api/v1/track", event("m1"))

    found = micro.get("/micro/events/m1")

    assert found["state"] == "stored" and len(found["rejections"]) == 1


def test_warnings_are_told(micro: MicroServer) -> None:
    micro.post("/api/v1/track", event("m1", userId="undefined"))

    assert "userId" in micro.get("/micro/events/m1")["warnings"][0]


@pytest.mark.parametrize(
    ("path", "body", "key", "status"),
    [
        ("/api/v1/track", event(), "another-key", 401),
        ("/api/v1/batch", {"events": []}, KEY, 400),
        ("/api/v1/batch", [event()] * 2501, KEY, 413),
        ("/api/v1/trakc", event(), KEY, 404),
    ],
)
def test_requests_that_brought_nothing_to_judge_are_listed(
    micro: MicroServer, path: str, body: Any, key: str, status: int
) -> None:
    micro.post(path, body, key)

    (found,) = micro.get("/micro/bad")["refused"]
    assert (found["status"], found["request"]["path"]) == (status, path)
    assert found["answer"]["error"]["message"]


def test_what_people_do_wrong_at_the_other_routes_is_not_listed(micro: MicroServer) -> None:
    micro.post("/api/v1/sources", {})
    requests.get(f"{micro.url}/micro/events/nobody", timeout=10)
    for path in ("favicon.ico", "clients/none.js"):
        requests.get(f"{micro.url}/{path}", timeout=10)

    assert micro.get("/micro/all")["refused"] == 0


def test_one_can_wait_for_an_event(micro: MicroServer) -> None:
    sender = threading.Timer(0.5, micro.post, ("/api/v1/track", event("m1")))
    sender.start()

    assert micro.get("/micro/events/m1?wait=20")["state"] == "stored"
    sender.join()


def test_an_event_that_did_not_come_is_unknown(micro: MicroServer) -> None:
    for query, status in (("", 404), ("?wait=1", 404), ("?wait=soon", 400), ("?wait=61", 400)):
        assert requests.get(f"{micro.url}/micro/events/m1{query}", timeout=10).status_code == status


def test_an_event_without_a_message_id_is_found_by_its_guid(micro: MicroServer) -> None:
    guid = micro.post("/api/v1/track", event()).json()["event"]["guid"]

    assert micro.get(f"/micro/events/{guid}")["event"]["guid"] == guid


def test_a_key_keeps_to_what_it_may_do(micro: MicroServer) -> None:
    body = {"name": "page", "permissions": ["events:write:anonymous"], "rateLimit": 2}
    page = micro.post("/api/v1/keys", body).json()["apiKey"]

    for message in ("m1", "m2", "m3"):
        micro.post("/api/v1/track", event(message, userId="ann" if message == "m1" else None), page)
    assert micro.post("/api/v1/track", event("m4"), page).status_code == 429

    assert micro.get("/micro/events/m1")["rejections"][0]["reason"] == "not_permitted"
    assert [one["messageId"] for one in micro.get("/micro/good")["good"]] == ["m2", "m3"]
    assert micro.get("/micro/bad")["refused"][0]["status"] == 429


def test_what_was_decided_is_done_when_the_answer_comes(micro: MicroServer) -> None:
    micro.post("/api/v1/batch", [event("m1", userId="ann"), event("m2", userId="bob", anonymousId="desk")])
    ann, bob = (micro.get(f"/micro/events/{message}")["profile"]["guid"] for message in ("m1", "m2"))

    micro.post(f"/api/v1/profiles/{ann}/merge", {"from": bob})
    assert micro.get("/micro/events/m2")["profile"]["guid"] == ann
    requests.delete(f"{micro.url}/api/v1/profiles/{ann}?suppress=true", headers=HEADERS, timeout=10)
    micro.post("/api/v1/track", event("m3", userId="ann", anonymousId=None))

    assert [micro.get(f"/micro/events/{message}")["state"] for message in ("m1", "m2", "m3")] == ["dropped"] * 3
    assert micro.get("/api/v1/events")["events"] == []


def test_what_other_sdks_send_is_judged_like_anything_else(micro: MicroServer) -> None:
    good = {"type": "track", "event": "Order Completed", "userId": "ann", "anonymousId": "phone", "messageId": "m1"}
    large = {**good, "messageId": "m2", "properties": {"text": "x" * 40_000}}
    nameless = {**good, "messageId": "m3", "event": ""}
    assert micro.post("/v1/batch", {"batch": [good, large, nameless]}).status_code == 200
    micro.post("/2/httpapi", {"api_key": "another-key", "events": [{"event_type": "click", "user_id": "ann"}]})

    found = micro.get("/micro/events/m1")
    assert (found["event"]["type"], found["state"]) == ("Order Completed", "stored")
    assert [(bad["messageId"], bad["reason"]) for bad in micro.get("/micro/bad")["bad"]] == [
        ("m2", "too_large"),
        ("m3", "invalid"),
    ]
    assert [one["request"]["path"] for one in micro.get("/micro/bad")["refused"]] == ["/2/httpapi"]


def test_properties_are_there_at_once(micro: MicroServer) -> None:
    source = micro.post("/api/v1/sources", {"name": "views", "eventType": "pageview"}).json()["source"]["guid"]
    micro.post("/api/v1/track", event("m1"))
    rule = {"key": "views", "type": "integer", "sourceGuid": source, "column": "type", "aggregation": "count"}
    assert micro.post("/api/v1/property-rules", rule).status_code == 201

    assert micro.get("/micro/events/m1")["profile"]["properties"]["views"]["value"] == 1
    micro.post("/api/v1/track", event("m2"))
    assert micro.get("/micro/events/m1")["profile"]["properties"]["views"]["value"] == 2


def test_a_reset_forgets_everything_but_keys(micro: MicroServer) -> None:
    other = micro.post("/api/v1/keys", {"name": "other", "permissions": ["events:write"]}).json()["apiKey"]
    micro.post("/api/v1/sources", {"name": "views", "eventType": "pageview"})
    micro.post("/api/v1/batch", [event("m1"), {}])

    micro.reset()

    assert micro.get("/micro/good") == {"good": []} and micro.get("/micro/bad") == {"bad": [], "refused": []}
    assert micro.get("/api/v1/profiles")["profiles"] == [] and micro.get("/api/v1/sources")["sources"] == []
    assert [app["guid"] for app in micro.get("/api/v1/apps")["apps"]] == ["app_events"]
    assert micro.post("/api/v1/track", event("m1"), other).status_code == 202


def test_after_a_reset_traits_become_properties_again(micro: MicroServer) -> None:
    def tell() -> Any:
        micro.post("/api/v1/track", event("m1", type="identify", userId="ann", data={"plan": "pro"}))
        micro.post("/api/v1/track", event("m2", type="group", userId="ann", data={"name": "Shop"}))
        return {key: one["value"] for key, one in micro.get("/micro/events/m2")["profile"]["properties"].items()}

    before = tell()
    micro.reset()

    assert tell() == before == {"plan": "pro", "group.name": "Shop"}


def test_many_at_once_are_all_there(micro: MicroServer) -> None:
    def send(number: int) -> None:
        for one in range(10):
            message = f"m-{number}-{one}"
            assert micro.post("/api/v1/batch", [event(message, anonymousId=f"d{one}", userId=f"u{one}")]).status_code == 202
            assert micro.get(f"/micro/events/{message}")["state"] == "stored"

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert micro.get("/micro/all") == {"good": 80, "bad": 0, "refused": 0}
    assert len(micro.get("/api/v1/profiles")["profiles"]) == 10


def test_a_client_under_test_is_seen_through(micro: MicroServer) -> None:
    client = grouparoo.Client(KEY, micro.url, flush_interval_s=0.1)

    sent = client.track("purchase", user_id="ann", data={"total": 9.5})

    found = micro.get(f"/micro/events/{sent}?wait=20")
    client.shutdown()
    assert found["event"]["type"] == "purchase" and found["event"]["data"] == {"total": "9.5"}


def test_what_is_not_there_says_so(micro: MicroServer) -> None:
    assert requests.get(f"{micro.url}/health/ready", timeout=10).status_code == 200
    for path in ("/metrics", "/api/v1/status"):
        assert "/micro/all" in requests.get(micro.url + path, headers=HEADERS, timeout=10).json()["error"]["message"]


def test_it_honours_the_settings_of_what_is_accepted_and_no_others(tmp_path: Path) -> None:
    stores = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1", "MAX_EVENT_BYTES": "100"}
    with MicroServer(tmp_path, **stores) as micro:
        micro.post("/api/v1/batch", [event("m1", data={"text": "x" * 200})])

        assert micro.get("/micro/events/m1")["state"] == "rejected"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_it(tmp_path: Path, number: signal.Signals) -> None:
    with MicroServer(tmp_path) as micro:
        micro.post("/api/v1/track", event("m1"))
        process = psutil.Process(micro.process.pid)
        opened = {Path(file.path) for file in process.open_files()}
        assert process.children() == [] and not any(tmp_path in path.parents for path in opened)

        micro.process.send_signal(number)

        assert micro.process.wait(10) == 0
        assert micro.process.communicate()[1] == ""
    assert list(tmp_path.iterdir()) == []


def test_a_request_that_never_ends_does_not_keep_it_from_its_end(micro: MicroServer, tmp_path: Path) -> None:
    with MicroServer(tmp_path) as server:
        waiting = threading.Thread(target=lambda: safely(f"{server.url}/micro/events/m1?wait=60"))
        waiting.start()
        time.sleep(0.3)

        server.process.terminate()

        assert server.process.wait(10) == 0
        waiting.join()


def safely(url: str) -> None:
    try:
        requests.get(url, timeout=70)
    except requests.RequestException:
        pass


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--port", "x"], 2, "'x' is no port"),
        (["--key", "a key"], 2, "a key has 1 to 200"),
        (["--host", "nowhere.invalid"], BOOT_ERROR, "bin/serve --micro: "),
    ],
)
def test_what_cannot_work_is_said_in_a_line(tmp_path: Path, arguments: list[str], status: int, said: str) -> None:
    server = MicroServer(tmp_path, *arguments)

    _, told = server.process.communicate(timeout=60)

    assert server.process.returncode == status and said in told and "Traceback" not in told


def test_a_port_in_use_is_said_in_a_line(micro: MicroServer, tmp_path: Path) -> None:
    again = MicroServer(tmp_path, "--port", micro.url.rpartition(":")[2])

    _, told = again.process.communicate(timeout=60)

    assert again.process.returncode == BOOT_ERROR and "in use" in told
