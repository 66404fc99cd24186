"""Apps, sources, property rules and properties over HTTP."""

from typing import Any

import pytest
from flask import Flask

from app.properties.store import PropertyStore
from app.services import services
from tests.app.management import Reader, make_event, make_reader, store
from worker.backfill import Backfiller
from worker.refresh import Refresher

VISIT = [("/", 100), ("/about", 100), ("/web-sign-in", 100), ("/mobile-sign-in", 200)]


@pytest.fixture
def reader(app: Flask) -> Reader:
    return make_reader(app)


def visit(user: str, **fields: Any) -> list[Any]:
    """The page views of 05-properties, a minute apart."""
    return [
        make_event(user_id=user, occurred_at=f"2026-01-01T00:0{place}:00.000Z", data={"path": path, "loadTime": str(time)})
        for place, (path, time) in enumerate(VISIT)
    ]


def work(app: Flask) -> None:
    """What the worker does, until there is nothing left to do."""
    with app.app_context():
        refresher = Refresher(PropertyStore(services().identity), services().backend)
        backfiller = Backfiller(refresher.store, refresher)
        while backfiller.work_off() or refresher.work_off(lambda: True):
            pass


def source(reader: Reader, event_type: str = "pageview") -> str:
    answer = reader.post("/sources", {"name": f"all {event_type}", "eventType": event_type})
    assert answer.status_code == 201, answer.text
    guid: str = answer.json["source"]["guid"]
    return guid


def rule(reader: Reader, source_guid: str, **fields: object) -> dict[str, Any]:
    body = {"key": "visits", "type": "integer", "sourceGuid": source_guid, "column": "data.path", "aggregation": "count"}
    answer = reader.post("/property-rules", {**body, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json["propertyRule"]
    return made


def properties(reader: Reader, user: str) -> dict[str, Any]:
    guid = reader.json(f"/profiles/by/userId/{user}")["profile"]["guid"]
    return {key: one["value"] for key, one in reader.json(f"/profiles/{guid}/properties")["properties"].items()}


def test_the_events_app_is_there_and_stays(reader: Reader) -> None:
    (app,) = reader.json("/apps")["apps"]

    assert (app["guid"], app["kind"]) == ("app_events", "events")
    assert reader.json("/apps/app_events") == {"app": app}
    assert reader.delete("/apps/app_events").json["error"]["code"] == "app_in_use"
    assert reader.delete("/apps/app_none").status_code == 404


def test_page_views_become_properties(app: Flask, reader: Reader) -> None:
    store(app, *visit("ann"))
    pages = source(reader)
    wanted: dict[str, tuple[dict[str, object], object]] = {
        "visits": ({}, 4),
        "others": ({"filters": [{"key": "data.path", "op": "does not equal", "match": "/"}]}, 3),
        "last": ({"type": "string", "aggregation": "most recent value"}, "/mobile-sign-in"),
        "first": ({"type": "string", "aggregation": "least recent value"}, "/"),
        "mean": ({"type": "float", "column": "data.loadTime", "aggregation": "average"}, 125),
        "total": ({"column": "data.loadTime", "aggregation": "sum"}, 500),
        "least": ({"column": "data.loadTime", "aggregation": "min"}, 100),
        "most": ({"column": "data.loadTime", "aggregation": "max"}, 200),
        "grown": ({"column": "data.loadTime", "aggregation": "diff"}, 100),
        "times": ({"column": "data.loadTime", "aggregation": "distinct count"}, 2),
        "pages": ({"type": "string", "isArray": True, "aggregation": "all values"}, [path for path, _ in VISIT]),
        "seconds": ({"column": "occurredAt", "aggregation": "diff"}, 180),
        "seen": ({"type": "date", "column": "occurredAt", "aggregation": "max"}, "2026-01-01T00:03:00.000Z"),
        "lately": ({"windowDays": 30}, None),
    }
    for key, (fields, _) in wanted.items():
        rule(reader, pages, key=key, **fields)
    work(app)

    assert properties(reader, "ann") == {key: value for key, (_, value) in wanted.items() if value is not None}


def test_a_filter_of_times_takes_any_form_of_a_time_and_a_part_of_one(app: Flask, reader: Reader) -> None:
    times = ["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z", "2026-01-02T00:00:00.000Z"]
    store(app, *(make_event(user_id="ann", occurred_at=time) for time in times))
    pages = source(reader)
    wanted = {
        ("equals", "2026-01-01"): 1,
        ("does not equal", "2026-01-01"): 2,
        ("greater than", "2026-01-01"): 2,
        ("less than", "2026-01-01T01:00:01+01:00"): 1,
        ("contains", "2026-01-01"): 2,
        ("does not contain", "2026-01-01"): 1,
        ("contains", "T00:00:00"): 2,
    }
    for place, (op, match) in enumerate(wanted):
        filters = [{"key": "occurredAt", "op": op, "match": match}]
        rule(reader, pages, key=f"k{place}", column="userId", filters=filters)
    work(app)

    assert list(properties(reader, "ann").values()) == list(wanted.values())


def test_a_later_event_changes_what_is_known(app: Flask, reader: Reader) -> None:
    pages = source(reader)
    made = rule(reader, pages)
    store(app, *visit("ann"))
    work(app)
    store(app, *visit("ann"))
    work(app)
    guid = reader.json("/profiles/by/userId/ann")["profile"]["guid"]
    known = reader.json(f"/profiles/{guid}")["profile"]["properties"]["visits"]

    assert (known["value"], known["rule"]) == (8, made["guid"])


def test_a_rule_tells_how_far_it_is_computed(app: Flask, reader: Reader) -> None:
    store(app, *(make_event(user_id=f"u{number}", data={"n": "x"}) for number in range(3)))
    made = rule(reader, source(reader), column="data.n", aggregation="sum")
    assert made["backfill"] == {"state": "running", "profiles": 0, "finishedAt": None}
    work(app)
    shown = reader.json(f"/property-rules/{made['guid']}")

    assert (shown["propertyRule"]["backfill"]["state"], shown["propertyRule"]["backfill"]["profiles"]) == ("done", 3)
    assert shown["leftOut"] == 3
    assert properties(reader, "u1") == {}


def test_a_changed_rule_is_computed_anew(app: Flask, reader: Reader) -> None:
    store(app, *visit("ann"))
    made = rule(reader, source(reader))
    work(app)
    changed = reader.patch(f"/property-rules/{made['guid']}", {"aggregation": "distinct count", "column": "data.loadTime"})
    assert changed.json["propertyRule"]["backfill"]["state"] == "running"
    work(app)

    assert properties(reader, "ann") == {"visits": 2}


def test_a_deleted_rule_leaves_nothing(app: Flask, reader: Reader) -> None:
    store(app, *visit("ann"))
    pages = source(reader)
    made = rule(reader, pages)
    work(app)
    in_use = reader.delete(f"/sources/{pages}")
    assert (in_use.status_code, in_use.json["error"]["code"]) == (409, "source_in_use")

    assert reader.delete(f"/property-rules/{made['guid']}").status_code == 200
    assert properties(reader, "ann") == {}
    assert reader.delete(f"/property-rules/{made['guid']}").status_code == 404
    assert reader.delete(f"/sources/{pages}").status_code == 200
    work(app)
    assert rule(reader, source(reader))["key"] == "visits"


def test_a_unique_property_finds_its_profile(app: Flask, reader: Reader) -> None:
    sign_ups = source(reader, "signup")
    rule(reader, sign_ups, key="email", type="email", unique=True, column="data.email", aggregation="most recent value")
    store(app, make_event(type="signup", user_id="ann", data={"email": "ann@shop.example"}))
    work(app)
    store(app, make_event(type="signup", user_id="bob", data={"email": "ann@shop.example"}))
    work(app)
    ann, bob = (reader.json(f"/profiles/by/userId/{user}")["profile"] for user in ("ann", "bob"))

    assert reader.json("/profiles/by/email/ann@shop.example")["profile"]["guid"] == ann["guid"]
    assert bob["properties"]["email"]["conflict"] == ann["guid"]
    assert reader.json("/status")["conflicts"] == 1
    assert reader.get("/profiles/by/email/bob@shop.example").json["error"]["code"] == "unknown_profile"
    assert reader.get("/profiles/by/phone/1").json["error"]["code"] == "unknown_profile_key"
    assert reader.get(f"/profiles/by/email/{'x' * 300}").status_code == 404

    reader.delete(f"/profiles/{ann['guid']}")
    work(app)
    assert reader.json("/profiles/by/email/ann@shop.example")["profile"]["guid"] == bob["guid"]


def test_a_rule_is_shown_before_it_is_made(app: Flask, reader: Reader) -> None:
    store(app, *visit("ann"), make_event(user_id="bob", data={"path": "/"}))
    body = {"key": "v", "type": "integer", "sourceGuid": source(reader), "column": "data.loadTime", "aggregation": "sum"}
    guids = {user: reader.json(f"/profiles/by/userId/{user}")["profile"]["guid"] for user in ("ann", "bob")}

    shown = reader.post("/property-rules/preview", body).json["values"]
    of_bob = reader.post("/property-rules/preview", {**body, "profileGuids": [guids["bob"]]}).json["values"]

    assert {one["profileGuid"]: one["value"] for one in shown} == {guids["ann"]: 500, guids["bob"]: None}
    assert of_bob == [{"profileGuid": guids["bob"], "value": None, "leftOut": 0}]
    refused = reader.post("/property-rules/preview", {**body, "profileGuids": ["pro_none"]})
    assert (refused.status_code, list(refused.json["error"]["details"])) == (422, ["profileGuids"])
    reader.post(f"/profiles/{guids['ann']}/merge", {"from": guids["bob"]})
    of_both = reader.post("/property-rules/preview", {**body, "profileGuids": [guids["bob"]]}).json["values"]
    assert of_both == [{"profileGuid": guids["ann"], "value": 500, "leftOut": 0}]
    assert reader.json("/property-rules")["propertyRules"] == []


def test_a_column_is_what_most_of_its_values_are(app: Flask, reader: Reader) -> None:
    values = {"paid": ["12.5", "3", "free"], "day": ["2026-01-01", "2026-01-01T10:00:00Z", "x"], "mixed": ["1", "x", "y"]}
    store(app, *(make_event(user_id="ann", data={key: these[n] for key, these in values.items()}) for n in range(3)))

    columns = {column["key"]: column for column in reader.json(f"/sources/{source(reader)}/columns")["columns"]}

    assert {key: columns[f"data.{key}"]["type"] for key in values} == {"paid": "float", "day": "date", "mixed": "string"}
    assert "sum" in columns["data.paid"]["aggregations"]
    assert "greater than" not in columns["data.day"]["operators"]  # which compares numbers there


def test_a_source_shows_nothing_of_people_who_are_deleted(app: Flask, reader: Reader) -> None:
    store(app, *visit("ann"), make_event(user_id="bob", data={"path": "/"}))
    pages, ann = source(reader), reader.json("/profiles/by/userId/ann")["profile"]["guid"]

    reader.delete(f"/profiles/{ann}")

    assert [event["userId"] for event in reader.json(f"/sources/{pages}/preview")["events"]] == ["bob"]


def test_a_source_shows_what_it_has(app: Flask, reader: Reader) -> None:
    store(app, *visit("ann"))
    pages = source(reader)

    newest = reader.json(f"/sources/{pages}/preview", limit=2)["events"]
    columns = {column["key"]: column for column in reader.json(f"/sources/{pages}/columns")["columns"]}

    assert [event["data"]["path"] for event in newest] == ["/mobile-sign-in", "/web-sign-in"]
    assert columns.keys() == {"occurredAt", "ipAddress", "type", "userId", "data.path", "data.loadTime"}
    assert columns["data.loadTime"]["type"] == "integer"
    assert "greater than" in columns["data.loadTime"]["operators"]
    assert "greater than" not in columns["data.path"]["operators"]
    assert "sum" not in columns["data.path"]["aggregations"]


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("key", {"key": ""}),
        ("key", {"key": "a b"}),
        ("key", {"key": "userId"}),
        ("type", {"type": "number"}),
        ("type", {"type": "string"}),
        ("type", {"type": "integer", "aggregation": "average"}),
        ("isArray", {"isArray": True}),
        ("isArray", {"type": "string", "aggregation": "all values"}),
        ("unique", {"type": "string", "aggregation": "all values", "isArray": True, "unique": True}),
        ("column", {"column": "path"}),
        ("aggregation", {"aggregation": "median"}),
        ("aggregation", {"aggregation": "sum", "column": "occurredAt"}),
        ("windowDays", {"windowDays": 0}),
        ("sourceGuid", {"sourceGuid": "src_none"}),
        ("filters.0.match", {"filters": [{"key": "data.n", "op": "greater than", "match": "many"}]}),
        ("filters", {"filters": [{"key": "n", "op": "equals", "match": "1"}]}),
        ("median", {"median": 1}),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_its_field(reader: Reader, field: str, fields: dict[str, object]) -> None:
    body = {"key": "k", "type": "integer", "sourceGuid": source(reader), "column": "data.path", "aggregation": "count"}

    refused = reader.post("/property-rules", {**body, **fields})

    assert (refused.status_code, list(refused.json["error"]["details"])) == (422, [field])
    assert reader.json("/property-rules")["propertyRules"] == []


def test_names_and_keys_are_one_thing_s_only(reader: Reader) -> None:
    pages = source(reader)
    rule(reader, pages)
    twice = reader.post("/sources", {"name": "all pageview", "eventType": "x"})
    other = rule(reader, pages, key="other")
    renamed = reader.patch(f"/property-rules/{other['guid']}", {"key": "visits"})

    assert (twice.status_code, list(twice.json["error"]["details"])) == (422, ["name"])
    assert (renamed.status_code, list(renamed.json["error"]["details"])) == (422, ["key"])
    assert reader.json(f"/property-rules/{other['guid']}")["propertyRule"]["key"] == "other"


def test_pages_of_rules_hold_each_once(reader: Reader) -> None:
    pages = source(reader)
    made = [rule(reader, pages, key=f"k{number}")["guid"] for number in range(5)]
    first = reader.json("/property-rules", limit=3)
    second = reader.json("/property-rules", limit=3, after=first["next"])

    assert sorted(one["guid"] for one in first["propertyRules"] + second["propertyRules"]) == sorted(made)
    assert second["next"] is None
