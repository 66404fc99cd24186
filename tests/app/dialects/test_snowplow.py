"""What Snowplow's trackers send: text only."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.app.dialects.speaking import MOMENT, MOMENT_MS, SUCCESS, Speaker, refused

PATH = "/com.snowplowanalytics.snowplow/tp2"
SCHEMA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
IDS = {"eid": "e1", "duid": "phone", "uid": "ann"}
ONE = {**IDS, "e": "pv", "ttm": str(MOMENT_MS), "url": "http://x/", "page": "X", "p": "web"}


def described(name: str, **data: Any) -> str:
    inner = {"schema": f"iglu:com.acme/{name}/jsonschema/1-0-0", "data": data}
    return json.dumps({"schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0", "data": inner})


def url_safe(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def event_of(sdk: Speaker, **told: Any) -> Any:
    one = {**ONE, "aid": sdk.key, **told}
    return sdk.taken(sdk.client.post(PATH, json={"schema": SCHEMA, "data": [one]}))


def test_a_post_is_taken(sdk: Speaker) -> None:
    answer = sdk.client.post(PATH, json={"schema": SCHEMA, "data": [{**ONE, "aid": sdk.key}]})

    assert (answer.status_code, answer.json) == (200, SUCCESS)
    event = sdk.taken(answer)
    assert (event.type, event.user_id, event.anonymous_id, event.message_id) == ("page_view", "ann", "phone", "e1")
    assert (event.occurred_at, event.data) == (MOMENT, {"url": "http://x/", "title": "X", "context.p": "web"})


def test_a_get_is_taken_and_answered_with_an_image(sdk: Speaker) -> None:
    answer = sdk.client.get(f"/i?{urlencode({**ONE, 'aid': sdk.key, 'page': chr(0), 'a' + chr(0) + 'b': 'c'})}")

    assert (answer.status_code, answer.content_type) == (200, "image/gif")
    event = sdk.taken(answer)
    assert (event.type, event.data["title"], event.data["context.a\ufffdb"]) == ("page_view", "\ufffd", "c")


@pytest.mark.parametrize("form", ["ue_px", "ue_pr"])
def test_a_self_describing_event_is_named_by_its_schema(sdk: Speaker, form: str) -> None:
    text = described("signed_up", plan="pro", seats=3)
    event = event_of(sdk, e="ue", **{form: url_safe(text) if form == "ue_px" else text})

    assert event.type == "signed_up"
    assert (event.data["plan"], event.data["seats"]) == ("pro", "3")
    assert event.data["context.schema"] == "iglu:com.acme/signed_up/jsonschema/1-0-0"


def test_a_structured_event_is_named_by_its_action(sdk: Speaker) -> None:
    event = event_of(sdk, e="se", se_ca="shop", se_ac="add", se_la="hat", se_va="2")

    assert event.type == "add"
    assert event.data.items() >= {"category": "shop", "action": "add", "label": "hat", "value": "2"}.items()


@pytest.mark.parametrize("form", ["cx", "co"])
def test_contexts_are_named_by_their_schemas(sdk: Speaker, form: str) -> None:
    page = json.loads(described("page", id="7"))["data"]
    text = json.dumps({"schema": "iglu:x/contexts/jsonschema/1-0-1", "data": [page, 5]})
    event = event_of(sdk, **{form: url_safe(text) if form == "cx" else text})

    assert event.data["context.page.id"] == "7"


def test_what_can_not_be_read_is_left_out(sdk: Speaker) -> None:
    assert event_of(sdk, cx="***", co=[], se_ca=["x"]).type == "page_view"


def test_the_devices_clock_is_corrected_by_when_it_sent(sdk: Speaker) -> None:
    event = event_of(sdk, ttm=None, dtm="1577836800000", stm="1577836810000")

    assert event.created_at > event.occurred_at > "2026"


def test_the_key_is_the_apps_id_and_is_not_kept(sdk: Speaker) -> None:
    assert sdk.key not in str(tuple(event_of(sdk)))
    refused(sdk.client.post(PATH, json={"data": [{**ONE, "aid": "shop"}]}), 401, "unknown")
    refused(sdk.client.post(PATH, json={"data": {}}), 400, "data")
