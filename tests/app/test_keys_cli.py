"""flask keys: what an administrator types, and what comes of it."""

import re

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from app.keys import PERMISSIONS, list_keys
from app.models import ApiKey


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["keys", *arguments], terminal_width=200)


def make(app: Flask, *options: str) -> tuple[str, str]:
    """A key made by the command: its guid and the key itself."""
    result = run(app, "create", "--name", "Web", *options)
    assert result.exit_code == 0, result.output
    found = re.fullmatch(r"(key_[0-9a-f-]{36}): ([A-Za-z0-9_-]{40,})\n", result.output)
    assert found, result.output
    return found[1], found[2]


def only_key(app: Flask) -> ApiKey:
    with app.app_context():
        [row] = list_keys()
        return row


def test_a_key_is_made_and_printed_once(app: Flask, client: FlaskClient) -> None:
    guid, key = make(app)
    event = {"type": "pageview", "userId": "u1"}
    assert client.post("/api/v1/track", json=event, headers={"X-Api-Key": key}).status_code == 202
    assert key not in run(app, "list").output
    assert only_key(app).guid == guid


def test_a_key_may_send_events_and_nothing_else_unless_told(app: Flask) -> None:
    make(app)
    assert only_key(app).permissions == ["events:write"]


def test_a_key_has_the_permissions_and_origins_it_is_given(app: Flask) -> None:
    make(app, "--permission", "events:read", "--permission", "status:read", "--origin", "https://shop.example")
    row = only_key(app)
    assert row.permissions == ["events:read", "status:read"]
    assert row.origins == ["https://shop.example"]


def test_a_key_may_be_told_to_write(app: Flask) -> None:
    make(app, "--write")
    assert only_key(app).permissions == ["events:write"]


def test_a_key_that_may_write_may_do_more_if_told(app: Flask) -> None:
    make(app, "--permission", "events:read", "--write")
    assert only_key(app).permissions == ["events:read", "events:write"]


def test_a_key_may_be_for_everything(app: Flask) -> None:
    make(app, "--all")
    assert only_key(app).permissions == list(PERMISSIONS)


def test_an_unknown_permission_is_refused_with_the_known_ones(app: Flask) -> None:
    result = run(app, "create", "--name", "Web", "--permission", "events:erase")
    assert result.exit_code == 1
    assert "events:erase" in result.output and "events:write:anonymous" in result.output
    with app.app_context():
        assert list_keys() == []


def test_a_key_needs_a_name(app: Flask) -> None:
    assert run(app, "create").exit_code == 2


@pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/path", "https://user@shop.example", ""])
def test_an_origin_that_no_browser_sends_is_refused(app: Flask, origin: str) -> None:
    result = run(app, "create", "--name", "Web", "--origin", origin)
    assert result.exit_code == 1
    assert "https://shop.example" in result.output and "Traceback" not in result.output


def test_a_name_that_is_too_long_is_refused(app: Flask) -> None:
    result = run(app, "create", "--name", "x" * 192)
    assert result.exit_code == 1
    assert "191" in result.output


def test_the_list_has_all_keys_the_revoked_ones_too(app: Flask) -> None:
    kept, _ = make(app)
    gone, _ = make(app)
    run(app, "revoke", gone)
    shown = run(app, "list").output
    assert kept in shown and gone in shown


def test_the_list_of_no_keys_is_empty(app: Flask) -> None:
    assert run(app, "list").exit_code == 0


def test_a_name_can_do_nothing_to_the_terminal(app: Flask) -> None:
    run(app, "create", "--name", "\x1b[31m[bold]x")
    shown = run(app, "list").output
    assert "\x1b" not in shown
    assert r"\x1b[31m[bold]x" in shown


def test_a_revoked_key_is_revoked_for_good(app: Flask, client: FlaskClient) -> None:
    guid, key = make(app)
    result = run(app, "revoke", guid)
    assert (result.exit_code, result.output) == (0, f"revoked {guid}\n")
    assert only_key(app).revoked_at
    assert client.post("/api/v1/track", json={}, headers={"X-Api-Key": key}).status_code == 401


def test_a_rotated_key_keeps_its_guid(app: Flask, client: FlaskClient) -> None:
    guid, old = make(app)
    result = run(app, "rotate", guid)
    found = re.fullmatch(rf"{guid}: ([A-Za-z0-9_-]+)\n", result.output)
    assert found and found[1] != old
    event = {"type": "pageview", "userId": "u1"}
    assert client.post("/api/v1/track", json=event, headers={"X-Api-Key": found[1]}).status_code == 202
    assert client.post("/api/v1/track", json=event, headers={"X-Api-Key": old}).status_code == 401


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_a_key_that_is_not_there_is_said(app: Flask, command: str) -> None:
    result = run(app, command, "key_missing")
    assert result.exit_code == 1
    assert "key_missing" in result.output
    assert "Traceback" not in result.output


def test_a_revoked_key_is_not_rotated(app: Flask) -> None:
    guid, _ = make(app)
    run(app, "revoke", guid)
    assert run(app, "rotate", guid).exit_code == 1
