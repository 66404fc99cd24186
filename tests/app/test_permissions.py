"""Who may do what: every route with every permission."""

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule

from app.keys import PERMISSIONS
from app.openapi.document import METHODS, our_routes, permissions_of
from app.openapi.operations import OPEN
from tests.app.management import make_reader

INGEST = {"events:write", "events:write:anonymous"}
EVENT = {"type": "pageview", "anonymousId": "phone"}
BODY = {**EVENT, "events": [EVENT]}
"""Good for both ways to send events."""


def guarded_routes(app: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Every route that needs a key, with a method, and a path where nothing is."""
    for rule in our_routes(app):
        path = rule.rule.replace("<path:", "<")
        for name in rule.arguments:
            path = path.replace(f"<{name}>", "nothing")
        for method in set(METHODS) & (rule.methods or set()):
            if rule.endpoint not in OPEN:
                yield rule, method, path


def needed(app: Flask, rule: Rule) -> set[str]:
    return set(permissions_of(rule.endpoint, app.view_functions[rule.endpoint]))


@pytest.mark.parametrize("permission", PERMISSIONS)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_permission_opens_what_it_is_documented_to_open(app: Flask, permission: str) -> None:
    reader = make_reader(app, [permission])
    for rule, method, path in guarded_routes(app):
        answer = reader.client.open(path, method=method, headers=reader.headers, json=BODY)
        wanted = needed(app, rule)
        is_open = permission in INGEST if wanted & INGEST else wanted == {permission}
        assert (answer.status_code != 403) == is_open, (method, path, answer.status_code)
        if not is_open:
            assert answer.json["error"]["details"]["permission"] in wanted


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_all_but_the_needed_permissions_open_nothing(app: Flask) -> None:
    for rule, method, path in guarded_routes(app):
        for missing in needed(app, rule) or {"none"}:
            reader = make_reader(app, sorted(set(PERMISSIONS) - {missing} - (INGEST if missing in INGEST else set())))
            answer = reader.client.open(path, method=method, headers=reader.headers, json=BODY)
            assert answer.status_code == 403, (method, path)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_is_said_without_a_key_and_no_browser_asks_for_a_password(app: Flask) -> None:
    client = app.test_client()
    for _, method, path in guarded_routes(app):
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic bm9uc2Vuc2U6"}):
            answer = client.open(path, method=method, headers=headers, json=BODY)
            assert answer.status_code == 401, (method, path)
            assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_pages_of_other_origins_can_only_send_events_and_nobody_gets_a_cookie(app: Flask) -> None:
    reader = make_reader(app)
    for rule, method, path in guarded_routes(app):
        for verb in (method, "OPTIONS"):
            headers = {**reader.headers, "Origin": "https://elsewhere.example"}
            answer = reader.client.open(path, method=verb, headers=headers, json=BODY)
            has_cors = any(name.lower().startswith("access-control-") for name, _ in answer.headers)
            assert has_cors == bool(needed(app, rule) & INGEST), (verb, path)
            assert "Set-Cookie" not in answer.headers
