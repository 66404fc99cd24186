"""What Mixpanel's SDKs send."""

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.app.dialects.speaking import MOMENT, MOMENT_MS, SUCCESS, Speaker, form, packed, refused


def told(sdk: Speaker, **properties: Any) -> dict[str, Any]:
    """An event; what the test does not care about is filled in."""
    return {"event": "buy", "properties": {"token": sdk.key, "distinct_id": "ann", **properties}}


def event_of(sdk: Speaker, one: object, path: str = "/track") -> Any:
    return sdk.taken(sdk.client.post(path, data=form(one, verbose=1)))


def test_what_python_sends(sdk: Speaker) -> None:
    one = told(sdk, time=MOMENT_MS / 1000, total=9.5, mp_lib="python", **{"$insert_id": "i1"})
    answer = sdk.client.post("/track", data=form(one, verbose=1, ip=0), content_type="application/x-www-form-urlencoded")

    assert (answer.status_code, answer.json) == (200, SUCCESS)
    event = sdk.taken(answer)
    assert (event.type, event.user_id, event.anonymous_id, event.message_id) == ("buy", None, "ann", "i1")
    assert (event.occurred_at, event.data) == (MOMENT, {"total": "9.5", "mp_lib": "python"})


def test_what_node_sends(sdk: Speaker) -> None:
    query = urlencode({"data": packed(told(sdk, time=MOMENT_MS)), "ip": 0, "verbose": 0})

    answers = [sdk.client.get(f"/track?{query}") for _ in range(2)]

    assert [(answer.status_code, answer.data) for answer in answers] == [(200, b"1")] * 2
    first, second = sdk.stored()
    assert (first.occurred_at, first.guid) == (MOMENT, second.guid)
    assert first.message_id


def test_what_node_sends_in_batches_is_not_percent_encoded(sdk: Speaker) -> None:
    texts = ["ÿþ>>>???~~~" + "x" * number for number in range(3)]
    data = packed([told(sdk, text=text, time=MOMENT_MS) for text in texts])
    assert "+" in data or "/" in data

    answer = sdk.client.post("/track?ip=0&verbose=0", data=f"data={data}", content_type="application/x-www-form-urlencoded")

    assert (answer.status_code, answer.data) == (200, b"1")
    assert [event.data["text"] for event in sdk.stored()] == texts


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain;charset=UTF-8"])
def test_what_a_page_sends(sdk: Speaker, content_type: str) -> None:
    one = told(sdk, distinct_id="$device:abc", **{"$device_id": "abc", "$insert_id": "x1"})
    body = "data=" + quote(packed([one]), safe="")

    answer = sdk.client.post(f"/track/?verbose=1&ip=1&_={MOMENT_MS}", data=body, content_type=content_type)

    assert (answer.status_code, answer.json) == (200, SUCCESS)
    event = sdk.taken(answer)
    assert (event.user_id, event.anonymous_id, event.message_id, event.data) == (None, "abc", "x1", {})


def test_a_page_writes_an_emoji_as_two_surrogates(sdk: Speaker) -> None:
    """Given that it takes each for a character of its own, then neighbours are not refused for it."""
    text = json.dumps([told(sdk, text="Zoë 한 🛒"), told(sdk, text="plain")], ensure_ascii=False)
    body = base64.b64encode(text.replace("🛒", "\ud83d\uded2").encode("utf-8", "surrogatepass")).decode()

    assert sdk.client.post("/track/?verbose=1", data="data=" + quote(body, safe="")).status_code == 200

    assert [event.data["text"] for event in sdk.stored()] == ["Zoë 한 🛒", "plain"]


@pytest.mark.parametrize(
    "time, is_enough", [(MOMENT_MS, True), (MOMENT_MS / 1000, True), (MOMENT_MS // 1000, False), (None, False)]
)
def test_content_makes_a_message_id_only_with_a_time_to_the_millisecond(sdk: Speaker, time: Any, is_enough: bool) -> None:
    assert (event_of(sdk, told(sdk, time=time)).message_id is not None) == is_enough


@pytest.mark.parametrize(
    "name, properties, expected",
    [
        ("buy", {}, ("buy", None, "ann", False)),
        ("buy", {"$device_id": "phone", "$user_id": "ann"}, ("buy", "ann", "phone", False)),
        ("buy", {"$device_id": "phone", "$user_id": "ann", "mp_lib": "python"}, ("buy", "ann", "phone", True)),
        ("buy", {"$device_id": "phone", "$user_id": "ann", "mp_lib": "web"}, ("buy", "ann", "phone", False)),
        ("buy", {"distinct_id": "x", "$user_id": "ann", "mp_lib": "python"}, ("buy", "ann", None, False)),
        ("buy", {"distinct_id": "$device:phone"}, ("buy", None, "phone", False)),
        ("$identify", {"$anon_distinct_id": "$device:phone"}, ("identify", "ann", "phone", True)),
        ("$identify", {"distinct_id": "x", "$identified_id": "ann", "$anon_distinct_id": "p"}, ("identify", "ann", "p", True)),
        ("$create_alias", {"distinct_id": "phone", "alias": "ann"}, ("alias", "ann", "phone", True)),
        ("$create_alias", {"alias": "ann"}, ("alias", None, "ann", False)),
        ("$merge", {"$distinct_ids": ["phone", "ann"]}, ("alias", "ann", "phone", True)),
        ("$merge", {"$distinct_ids": []}, ("alias", None, "ann", False)),
        ("$mp_web_page_view", {}, ("$mp_web_page_view", None, "ann", False)),
    ],
)
def test_whose_an_event_is(sdk: Speaker, name: str, properties: dict[str, Any], expected: tuple[Any, ...]) -> None:
    event = event_of(sdk, {**told(sdk, **properties), "event": name})

    assert (event.type, event.user_id, event.anonymous_id, "context.linkedId" in event.data) == expected


def test_an_update_of_a_profile_is_traits(sdk: Speaker) -> None:
    update = {"$token": sdk.key, "$distinct_id": "ann", "$ip": "8.8.8.8", "$set": {"plan": "pro"}, "$add": {"visits": 1}}
    event = event_of(sdk, update, "/engage")

    assert (event.type, event.user_id, event.anonymous_id, event.ip_address) == ("identify", None, "ann", "8.8.8.8")
    assert event.data == {"plan": "pro", "context.$add.visits": "1"}


def test_a_page_says_whose_profile_it_updates(sdk: Speaker) -> None:
    ids = {"$distinct_id": "ann", "$user_id": "ann", "$device_id": "phone"}
    event = event_of(sdk, [{"$token": sdk.key, **ids, "$set": {"plan": "pro"}}], "/engage/")

    assert (event.user_id, event.anonymous_id, event.data) == ("ann", "phone", {"plan": "pro"})


def test_an_update_of_a_group_is_its_own_profiles(sdk: Speaker) -> None:
    update = {"$token": sdk.key, "$group_key": "company", "$group_id": "acme", "$set": {"plan": "pro"}}
    event = event_of(sdk, update, "/groups")

    assert (event.type, event.anonymous_id) == ("group", "company:acme")
    assert event.data == {"groupType": "company", "groupId": "acme", "plan": "pro"}


def test_history_is_imported(sdk: Speaker) -> None:
    headers = {"Authorization": "Basic c2VjcmV0Og=="}
    data = form([told(sdk, time=MOMENT_MS // 1000)], verbose=1, api_key="x")
    answer = sdk.client.post("/import", data=data, headers=headers)

    assert sdk.taken(answer).occurred_at == "2026-01-02T03:04:05.000Z"


VERBOSE = json.dumps(SUCCESS, separators=(",", ":")).encode()


@pytest.mark.parametrize("query, text", [("", b"1"), ("&verbose=0", b"1"), ("&verbose=1", VERBOSE)])
@pytest.mark.parametrize("path", ["/track", "/engage", "/groups"])
def test_the_answer_is_as_verbose_as_asked(sdk: Speaker, path: str, query: str, text: bytes) -> None:
    one = {**told(sdk), "$token": sdk.key, "$distinct_id": "ann", "$group_key": "a", "$group_id": "b"}

    assert sdk.client.get(f"{path}?data={quote(packed(one))}{query}").data == text
    assert sdk.client.post(f"{path}?{query}", data=form(one)).data == text


def test_errors_are_json(sdk: Speaker) -> None:
    refused(sdk.client.get(f"/track?data={packed({'event': 'a', 'properties': {'token': 'no'}})}&verbose=0"), 401, "unknown")
    refused(sdk.client.post("/track", data=form([])), 401, "send an API key")
    refused(sdk.client.post("/track", data=form({"event": "a", "properties": {"token": sdk.key}})), 400, "anonymousId")
    refused(sdk.client.post("/track", data=b"data=***"), 400, "Base64")
