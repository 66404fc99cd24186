"""A visitor's story in the languages whose ids may be of either kind: one profile, in whatever order it is stored."""

import itertools
from typing import Any

import pytest
from flask import Flask

from app.identity.rule import Policy
from app.identity.store import IdentityStore
from app.models import db
from app.services import services
from backends.base import EventQuery
from tests.app.dialects.speaking import Speaker, form
from worker.pipeline import Pipeline

NODE = [
    {"event": "$pageview", "distinct_id": "anon"},
    {"event": "$identify", "distinct_id": "ann", "properties": {"$anon_distinct_id": "anon"}},
    {"event": "buy", "distinct_id": "ann"},
]
PYTHON = [
    {"event": "$pageview", "distinct_id": "anon"},
    {"event": "$create_alias", "distinct_id": "anon", "properties": {"alias": "ann", "$lib": "posthog-python"}},
    {"event": "buy", "distinct_id": "ann"},
    {"event": "$set", "distinct_id": "ann", "$set": {"plan": "pro"}},
]
JS = {"$device_id": "anon", "$lib": "web"}
PAGE_AND_SERVER = [
    {"event": "$pageview", "properties": {"distinct_id": "anon", **JS}},
    {"event": "$identify", "properties": {"distinct_id": "ann", "$anon_distinct_id": "anon", **JS}},
    {"event": "$pageview", "properties": {"distinct_id": "ann", **JS}},
    {"event": "buy", "distinct_id": "ann"},
]


def profiles_of(app: Flask, sdk: Speaker, order: list[Any]) -> set[str | None]:
    """The profiles of what is sent, stored one event after the other."""
    with app.app_context():
        for one in order:
            services().redis.flushall()
            assert sdk.client.post("/batch", json={"api_key": sdk.key, "batch": [one]}).status_code == 200
            store_all(sdk)
        return {event.profile_guid for event in services().backend.find(EventQuery(), 100)}


def store_all(sdk: Speaker) -> None:
    pipeline = Pipeline(IdentityStore(db.engine, Policy.SEPARATE), services().backend, frozenset())
    pipeline.settle(pipeline.store_events(sdk.stored()))


@pytest.mark.parametrize("story", [NODE, PYTHON, PAGE_AND_SERVER], ids=["node", "python", "page and server"])
@pytest.mark.parametrize("place", range(6))
def test_one_profile_in_any_order(app: Flask, sdk: Speaker, story: list[Any], place: int) -> None:
    orders = list(itertools.permutations(story))

    assert len(profiles_of(app, sdk, list(orders[place * (len(orders) - 1) // 5]))) == 1


def test_mixpanels_server_and_page_meet(app: Flask, sdk: Speaker) -> None:
    mine = {"token": sdk.key}
    page = {"$device_id": "phone", **mine}
    events = [
        {"event": "view", "properties": {"distinct_id": "$device:phone", **page}},
        {"event": "buy", "properties": {"distinct_id": "ann", **mine}},
        {"event": "$identify", "properties": {"distinct_id": "ann", "$anon_distinct_id": "$device:phone", **page}},
    ]
    sdk.client.post("/track", data=form(events))
    sdk.client.post("/engage", data=form({"$token": sdk.key, "$distinct_id": "ann", "$set": {"plan": "pro"}}))
    with app.app_context():
        store_all(sdk)
        found = services().backend.find(EventQuery(), 100)

    assert len(found) == 4
    assert len({event.profile_guid for event in found}) == 1


NOBODY = {"distinct_id": "$posthog_cookieless", "$device_id": None, "$cookieless_mode": True, "$lib": "web"}


@pytest.mark.parametrize("device", [None, "$posthog_cookieless"])
def test_visitors_without_cookies_are_not_taken_for_one(app: Flask, sdk: Speaker, device: str | None) -> None:
    """Given two visitors of pages that may keep no cookies, one of whom signs in. Nothing says which of them came before."""
    ann = {**NOBODY, "distinct_id": "ann", "$device_id": device}
    visits = [
        {"event": "$pageview", "properties": NOBODY},
        {"event": "$set", "properties": NOBODY, "$set": {"plan": "pro"}},
        {"event": "$identify", "properties": {**ann, "$anon_distinct_id": NOBODY["distinct_id"]}},
        {"event": "buy", "properties": ann},
        {"event": "$pageview", "properties": NOBODY},
    ]
    for order in (visits, visits[::-1]):
        profiles_of(app, sdk, order)
    with app.app_context():
        found = services().backend.find(EventQuery(), 100)

    theirs = {event.profile_guid for event in found if "ann" in (event.user_id, event.anonymous_id)}
    assert len(theirs) == 1 and None not in theirs
    others = [event for event in found if "ann" not in (event.user_id, event.anonymous_id)]
    assert [(event.user_id, event.anonymous_id, event.profile_guid) for event in others] == [(None, None, None)] * 6


def test_an_id_that_no_link_names_stays_its_own(app: Flask, sdk: Speaker) -> None:
    link = {"event": "$identify", "distinct_id": "ann", "properties": {"$anon_distinct_id": "anon"}}

    assert len(profiles_of(app, sdk, [link, {"event": "buy", "distinct_id": "bob"}])) == 2


def test_equal_ids_elsewhere_claim_nothing(app: Flask, sdk: Speaker) -> None:
    """Given a visitor with the number 42 and a user with the number 42, who are two people."""
    with app.app_context():
        for batch in ([{"anonymousId": "42"}], [{"userId": "42", "anonymousId": "17", "type": "identify"}]):
            services().redis.flushall()
            sdk.client.post("/v1/b", json={"batch": [{"type": "page", **one} for one in batch], "writeKey": sdk.key})
            store_all(sdk)
        assert len({event.profile_guid for event in services().backend.find(EventQuery(), 100)}) == 2
