"""Segments over HTTP: profiles filtered and sorted by their properties, counted, and exported."""

import csv
import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import Result
from flask import Flask

from app.segments.filters import MOST_CHARACTERS, MOST_CONDITIONS
from backends.event import now
from tests.app.management import Reader, make_event, make_reader, store, work_off
from tests.app.test_api_properties import rule, source, work

PEOPLE = {
    "ann": {"city": "Berlin", "spent": "12.5", "member": "true", "tags": "a"},
    "bob": {"city": "berlin", "spent": "3"},
    "cy": {"city": "Zoë's =1", "spent": "100", "member": "false"},
    "dan": {"city": "x" * 300},
}
PROPERTIES: dict[str, dict[str, Any]] = {
    "city": {"type": "string", "column": "data.city", "aggregation": "most recent value"},
    "spent": {"type": "float", "column": "data.spent", "aggregation": "sum"},
    "member": {"type": "boolean", "column": "data.member", "aggregation": "most recent value"},
    "seen": {"type": "date", "column": "occurredAt", "aggregation": "max"},
    "tags": {"type": "string", "column": "data.tags", "aggregation": "all values", "isArray": True},
}


@pytest.fixture
def reader(app: Flask) -> Reader:
    """Four people and a device, with their properties."""
    reader = make_reader(app)
    events = source(reader)
    for key, fields in PROPERTIES.items():
        rule(reader, events, key=key, **fields)
    for day, (user, data) in enumerate(PEOPLE.items(), 1):
        store(app, make_event(user_id=user, occurred_at=f"2026-01-0{day}T00:00:00.000Z", data=data))
    store(app, make_event(anonymous_id="phone", occurred_at=now()))
    work(app)
    return reader


def name(profile: dict[str, Any]) -> str:
    found: str = profile["identifiers"][0]["value"]
    return found


def names(reader: Reader, filter: str | None = None, **query: object) -> list[str]:
    asked = {**query, **({"filter": filter} if filter is not None else {})}
    answer = reader.json("/profiles", count="true", **asked)
    found = [name(one) for one in answer["profiles"]]
    assert answer["count"] == len(found)
    return found


FILTERS = {
    "spent > 3": "ann cy",
    "spent >= 3 and spent < 100": "ann bob",
    "spent = 12.5": "ann",
    "spent is not 12.5": "bob cy dan phone",
    "not spent <= 12.5": "cy dan phone",
    "city = Berlin": "ann",
    "city = 'Zoë''s =1'": "cy",
    "city contains erl": "ann bob",
    "city contains '%'": "",
    "city does not contain \"erl\"": "cy dan phone",
    "city exists": "ann bob cy dan",
    "city does not exist": "phone",
    "member is true": "ann",
    "member = FALSE": "cy",
    "member != true": "bob cy dan phone",
    "tags exists": "ann",
    "seen > 2026-01-02": "cy dan phone",
    "seen = 2026-01-02T00:00:00Z": "bob",
    "seen within 30 days": "phone",
    "userId exists and not seen within 1 day": "ann bob cy dan",
    "userId does not exist": "phone",
    "spent > 50 or (city contains B and member exists)": "ann cy",
    "not (spent > 50 OR city exists)": "phone",
    "spent > 50 or city contains B and member exists": "ann cy",
}


def test_a_filter_finds_the_profiles_for_which_it_holds(reader: Reader) -> None:
    assert {filter: " ".join(sorted(names(reader, filter))) for filter in FILTERS} == FILTERS


SORTS = {
    "spent": "bob ann cy",
    "-spent": "cy ann bob",
    "city": "ann cy bob",
    "-seen": "phone dan cy bob ann",
    "member": "cy ann",
}


def test_a_sort_orders_by_value_and_puts_those_without_last(reader: Reader) -> None:
    for sort, wanted in SORTS.items():
        valued, found = wanted.split(), names(reader, sort=sort)
        assert found[: len(valued)] == valued
        assert sorted(found) == ["ann", "bob", "cy", "dan", "phone"]


def exported(reader: Reader, **query: object) -> list[dict[str, Any]]:
    """The profiles of an NDJSON export, which must be complete."""
    with reader.get("/profiles/export", **query) as answer:
        *found, end = map(orjson.loads, answer.data.splitlines())
    assert end == {"end": {"lines": len(found)}}
    return found


@pytest.mark.parametrize("sort", ["-spent", "city", None])
def test_pages_follow_each_other_whatever_comes_between(app: Flask, reader: Reader, sort: str | None) -> None:
    asked: dict[str, object] = {"sort": sort, "limit": 1} if sort else {"limit": 1}
    seen, after = [], None
    for number in range(20):
        page = reader.json("/profiles", **asked, **({"after": after} if after else {}))
        seen += [name(one) for one in page["profiles"]]
        if (after := page["next"]) is None:
            break
        if number < 4:
            store(app, make_event(user_id=f"new {number}", data={"spent": str(number * 4), "city": "C"}))
            work(app)
    assert len(seen) == len(set(seen))
    assert {"ann", "bob", "cy", "dan", "phone"} <= set(seen)


def test_who_was_merged_away_is_not_found_nor_counted(app: Flask, reader: Reader) -> None:
    guids = {user: reader.json(f"/profiles/by/userId/{user}")["profile"]["guid"] for user in PEOPLE}
    reader.post(f"/profiles/{guids['ann']}/merge", {"from": guids["bob"]})
    assert sorted(names(reader)) == ["bob", "cy", "dan", "phone"]  # the first id of ann's profile is bob
    assert names(reader, "spent = 3") == []
    work_off(app)
    work(app)
    assert names(reader, "spent = 15.5") == ["bob"]


def test_a_device_that_somebody_uses_is_no_profile_of_its_own(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="ann", anonymous_id="phone"))
    assert sorted(names(reader)) == ["ann", "bob", "cy", "dan"]
    store(app, make_event(user_id="bob", anonymous_id="phone", occurred_at=now()))
    assert sorted(names(reader, "userId does not exist")) == ["phone"]
    guids = {user: reader.json(f"/profiles/by/userId/{user}")["profile"]["guid"] for user in PEOPLE}
    reader.post(f"/profiles/{guids['ann']}/merge", {"from": guids["bob"]})
    assert names(reader, "userId does not exist") == []


REFUSED = {
    "": (0, "the key of a property"),
    "spent": (5, "it ends too early"),
    "spent >> 3": (7, "'>'"),
    "spent > many": (8, "'many' is not a number"),
    "spend > 3": (0, "there is no property 'spend'; there is spent"),
    "zzz > 3": (0, "city, member, seen, spent, tags, userId"),
    "city = New York": (11, "'York'; what can stand there is the end, and, or"),
    "city > 3": (0, "'city' is string: it can be asked for by =, contains, exists"),
    "city contains ''": (14, "a text of one character"),
    "tags contains a": (0, "a list of string"),
    "member = maybe": (9, "true or false"),
    "seen > yesterday": (7, "a time, like 2026-11-23"),
    "spent within 3 days": (0, "float"),
    "seen within 3 weeks": (14, "days"),
    "userId = ann": (0, "exists"),
    "city = 'Berlin": (7, "quotation marks"),
    "(spent > 3": (10, ")"),
    "spent > 3 and " * MOST_CONDITIONS + "spent > 3": (14 * MOST_CONDITIONS, "at most 20"),
    "(" * (MOST_CHARACTERS + 1): (MOST_CHARACTERS, "at most 2000"),
    "(" * MOST_CHARACTERS: (MOST_CHARACTERS, "it ends too early"),
}


def test_what_a_filter_can_not_say_is_refused_by_its_place(reader: Reader) -> None:
    for filter, (place, said) in REFUSED.items():
        answer = reader.get("/profiles", filter=filter)
        error = answer.json["error"]
        assert (answer.status_code, error["details"]["parameter"], error["details"]["position"]) == (400, "filter", place)
        assert said in error["message"]


def test_brackets_and_negations_nest_as_deep_as_one_likes(reader: Reader) -> None:
    assert names(reader, "not (" * 330 + "spent > 50" + ")" * 330) == ["cy"]


def test_what_can_not_be_sorted_or_counted_is_refused(reader: Reader) -> None:
    for name, value in (("sort", "spend"), ("sort", "tags"), ("sort", "userId"), ("count", "many")):
        answer = reader.get("/profiles", **{name: value})
        assert (answer.status_code, answer.json["error"]["details"]["parameter"]) == (400, name)


def test_a_place_in_another_order_is_refused(reader: Reader) -> None:
    by_city, by_guid = (reader.json("/profiles", limit=1, **query)["next"] for query in ({"sort": "city"}, {}))
    for after, query in ((by_city, {}), (by_guid, {"sort": "city"}), (by_city, {"sort": "spent"})):
        assert reader.get("/profiles", after=after, **query).status_code == 400


def test_an_export_has_the_whole_segment_in_its_order(reader: Reader) -> None:
    found = exported(reader, filter="city exists", sort="-spent")
    assert [name(one) for one in found] == ["cy", "ann", "bob", "dan"]
    assert found[0] == reader.json("/profiles/by/userId/cy")["profile"]


def test_an_export_goes_on_behind_the_last_profile_received(reader: Reader) -> None:
    for query in ({"sort": "-spent"}, {"sort": "city"}, {}):
        whole = exported(reader, **query)
        for place, last in enumerate(whole):
            assert exported(reader, **query, after=last["guid"]) == whole[place + 1 :]


def test_an_export_can_not_go_on_behind_who_has_no_place(app: Flask, reader: Reader) -> None:
    ann, bob = (reader.json(f"/profiles/by/userId/{user}")["profile"]["guid"] for user in ("ann", "bob"))
    reader.post(f"/profiles/{ann}/merge", {"from": bob})
    for query in ({"after": "pro_none"}, {"after": bob, "sort": "spent"}):
        answer = reader.get("/profiles/export", **query)
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "unknown_profile")
    assert all(one["guid"] > bob for one in exported(reader, after=bob))


def test_a_csv_has_a_column_for_each_property_and_no_formula(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="=1+1", data={"city": "@x"}))
    work(app)
    with reader.get("/profiles/export", format="csv", filter="city exists", sort="city") as answer:
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert list(rows[0])[5:] == [f"properties.{key}" for key in sorted(PROPERTIES)]
    assert (rows[0]["userId"], rows[0]["properties.city"]) == ("'=1+1", "'@x")
    assert (rows[1]["userId"], rows[1]["properties.spent"], rows[1]["properties.tags"]) == ("ann", "12.5", '["a"]')
    assert rows[2]["properties.tags"] == ""


def test_an_export_of_many_pages_has_everybody_once(app: Flask, reader: Reader) -> None:
    store(app, *(make_event(user_id=f"u{number}", data={"spent": str(number % 7)}) for number in range(1100)))
    work(app)
    for query in ({"sort": "spent"}, {"filter": "spent < 200"}):
        guids = [one["guid"] for one in exported(reader, **query)]
        assert len(guids) == len(set(guids)) == (1105 if "sort" in query else 1103)


def test_the_list_is_shown_and_written_on_the_command_line(app: Flask, reader: Reader, tmp_path: Path) -> None:
    def run(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=["profiles", "list", *arguments])

    shown = run("--filter", "spent > 3", "--sort=-spent", "--limit", "1")
    assert "cy" in shown.stdout and "ann" not in shown.stdout
    assert "1 of 2" in shown.stderr

    target = tmp_path / "people.csv"
    assert run("--sort", "spent", "--format", "csv", "--limit", "2", "--output", str(target)).exit_code == 0
    last = target.read_text().splitlines()[-1].split(",")[0]
    assert run("--sort", "spent", "--format", "csv", "--after", last, "--output", str(target)).exit_code == 0
    with reader.get("/profiles/export", sort="spent", format="csv") as answer:
        assert target.read_bytes() == answer.data

    assert "there is no property 'spend'" in run("--filter", "spend > 3").stderr
    assert "'tags' is a list" in run("--sort", "tags").stderr
    assert run("--after", "pro_none").exit_code == 2


def test_a_segment_needs_the_permission_to_read_profiles(app: Flask) -> None:
    stranger = make_reader(app, ["events:read", "apps:read"])
    assert [stranger.get(path).status_code for path in ("/profiles", "/profiles/export")] == [403, 403]
