"""API keys over HTTP."""

import pytest
from flask import Flask

from app.keys import PERMISSIONS, create_key, list_keys
from tests.app.management import Reader, make_reader
from tests.servers import wait_until

MANAGER = ["keys:read", "keys:write", "events:write"]
SHAPE = {"guid", "name", "permissions", "origins", "rateLimit", "createdAt", "updatedAt", "revokedAt"}


@pytest.fixture
def reader(app: Flask) -> Reader:
    return make_reader(app, MANAGER)


def make(reader: Reader, **fields: object) -> dict[str, object]:
    """The new key as it was answered, with the key itself under `apiKey`."""
    answer = reader.post("/keys", {"name": "shop", "permissions": ["events:write"], **fields})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return {**answer.json["key"], "apiKey": answer.json["apiKey"]}


def status_with(reader: Reader, key: object) -> int:
    event = {"type": "pageview", "userId": "u1"}
    return reader.client.post("/api/v1/track", json=event, headers={"X-Api-Key": str(key)}).status_code


def test_a_key_is_made_and_shown_once(reader: Reader) -> None:
    made = make(reader, origins=["HTTPS://Shop.example/"], rateLimit=60)
    key = made.pop("apiKey")
    assert made.keys() == SHAPE
    assert (made["origins"], made["rateLimit"], made["revokedAt"]) == (["https://shop.example"], 60, None)
    assert status_with(reader, key) == 202
    shown = reader.get(f"/keys/{made['guid']}")
    assert shown.json == {"key": made}
    assert str(key) not in shown.text + reader.get("/keys").text


def test_keys_are_listed_newest_first_page_by_page(app: Flask, reader: Reader) -> None:
    made = [make(reader)["guid"] for _ in range(4)]
    first = reader.json("/keys", limit=2)
    second = reader.json("/keys", limit=9, after=first["next"])
    with app.app_context():
        known = sorted(list_keys(), key=lambda row: (row.created_at, row.guid), reverse=True)
    assert [one["guid"] for one in first["keys"] + second["keys"]] == [row.guid for row in known]
    assert set(made) <= {row.guid for row in known}
    assert second["next"] is None


def test_a_key_grants_only_what_it_may_do_itself(app: Flask, reader: Reader) -> None:
    refused = reader.post("/keys", {"name": "x", "permissions": ["events:write", "profiles:write"]})
    assert (refused.status_code, refused.json["error"]["details"]) == (403, {"permission": "profiles:write"})
    with app.app_context():
        assert len(list_keys()) == 1


def test_a_key_with_a_rate_limit_gives_no_higher_one_not_even_to_itself(app: Flask) -> None:
    with app.app_context():
        row, key = create_key("limited", MANAGER, rate_limit=1000)
        unlimited, _ = create_key("unlimited", ["events:write"])
        own, other = row.guid, unlimited.guid
    limited = Reader(app.test_client(), key)
    make(limited, rateLimit=1000)
    refused = [
        limited.post("/keys", {"name": "x", "permissions": ["events:write"]}),
        limited.post("/keys", {"name": "x", "permissions": ["events:write"], "rateLimit": 1001}),
        limited.patch(f"/keys/{own}", {"rateLimit": None}),
        limited.post(f"/keys/{other}/rotate"),
    ]
    assert [(one.status_code, one.json["error"]["details"]) for one in refused] == [(403, {"rateLimit": 1000})] * 4
    assert limited.patch(f"/keys/{own}", {"rateLimit": 500}).status_code == 200


@pytest.mark.parametrize("action", ["rotate", "revoke", "patch"])
def test_a_key_that_may_do_more_is_out_of_reach(app: Flask, reader: Reader, action: str) -> None:
    with app.app_context():
        row, key = create_key("owner", PERMISSIONS)
        guid = row.guid
    answer = reader.patch(f"/keys/{guid}", {"name": "x"}) if action == "patch" else reader.post(f"/keys/{guid}/{action}")
    assert answer.status_code == 403
    assert status_with(reader, key) == 202


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 192),
        ("name", 5),
        ("permissions", []),
        ("permissions", ["events:erase"]),
        ("permissions", "events:write"),
        ("origins", ["shop.example"]),
        ("origins", ["https://shop.example/path"]),
        ("origins", ["https://user@shop.example"]),
        ("origins", [None]),
        ("origins", ["https://a.example"] * 101),
        ("rateLimit", 0),
        ("rateLimit", 1.5),
        ("rateLimit", True),
        ("rateLimit", 10**30),
        ("guid", "key_mine"),
    ],
)
def test_what_is_wrong_with_a_new_key_is_said_by_field(reader: Reader, field: str, value: object) -> None:
    answer = reader.post("/keys", {"name": "shop", "permissions": ["events:write"], field: value})
    assert answer.status_code == 422, answer.text
    assert answer.json["error"]["code"] == "invalid_field"
    assert list(answer.json["error"]["details"]) == [field]
    assert field in answer.json["error"]["message"]


def test_a_new_key_needs_a_name_and_permissions(reader: Reader) -> None:
    answer = reader.post("/keys", {})
    assert (answer.status_code, set(answer.json["error"]["details"])) == (422, {"name", "permissions"})


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"5"])
def test_a_body_that_is_no_object_is_no_key(reader: Reader, body: bytes) -> None:
    answer = reader.client.post("/api/v1/keys", headers=reader.headers, data=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "invalid_body")


def test_the_name_the_origins_and_the_rate_limit_can_be_changed(reader: Reader) -> None:
    guid = make(reader, rateLimit=60)["guid"]
    changed = reader.patch(f"/keys/{guid}", {"name": "store", "origins": ["https://store.example"], "rateLimit": None})
    key = changed.json["key"]
    assert (key["name"], key["origins"], key["rateLimit"]) == ("store", ["https://store.example"], None)
    assert reader.json(f"/keys/{guid}") == {"key": key}
    assert reader.patch(f"/keys/{guid}", {}).json["key"] == key


def test_permissions_can_not_be_changed(reader: Reader) -> None:
    guid = make(reader)["guid"]
    answer = reader.patch(f"/keys/{guid}", {"permissions": MANAGER})
    assert answer.status_code == 422
    assert reader.json(f"/keys/{guid}")["key"]["permissions"] == ["events:write"]


def test_a_rotated_key_keeps_its_guid_and_ends_the_old_one(reader: Reader) -> None:
    made = make(reader)
    answer = reader.post(f"/keys/{made['guid']}/rotate")
    assert (answer.status_code, answer.json["key"]["guid"]) == (200, made["guid"])
    assert status_with(reader, answer.json["apiKey"]) == 202
    assert status_with(reader, made["apiKey"]) == 401


def test_a_revoked_key_ends_and_is_not_rotated(reader: Reader) -> None:
    made = make(reader)
    assert status_with(reader, made["apiKey"]) == 202
    revoked = reader.post(f"/keys/{made['guid']}/revoke")
    assert (revoked.status_code, revoked.json["key"]["revokedAt"] is None) == (200, False)
    assert reader.post(f"/keys/{made['guid']}/revoke").json == revoked.json
    assert reader.post(f"/keys/{made['guid']}/rotate").status_code == 409
    wait_until(lambda: status_with(reader, made["apiKey"]) == 401, what="the end of the key")


@pytest.mark.parametrize("action", ["", "/rotate", "/revoke"])
def test_a_key_that_is_not_there_is_said(reader: Reader, action: str) -> None:
    path = f"/keys/key_none{action}"
    answer = reader.post(path) if action else reader.get(path)
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "unknown_key")
    assert reader.patch("/keys/key_none", {}).status_code == 404
