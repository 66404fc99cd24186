"""Dead letters over HTTP."""

from flask import Flask

from app.dead_letters import park
from tests.app.management import make_event, make_reader


def test_dead_letters_are_listed_with_their_reason_page_by_page(app: Flask) -> None:
    reader, events = make_reader(app), [make_event(user_id="ann", data={"a": "1"}) for _ in range(3)]
    with app.app_context():
        for event in events:
            park(event, "it was bad")

    first = reader.json("/dead-letters", limit=2)
    second = reader.json("/dead-letters", limit=2, after=first["next"])

    letters = first["deadLetters"] + second["deadLetters"]
    assert {letter["guid"] for letter in letters} == {event.guid for event in events}
    assert second["next"] is None
    assert letters[0].keys() == {"guid", "reason", "createdAt", "event"}
    assert letters[0]["reason"] == "it was bad"
    assert (letters[0]["event"]["data"], letters[0]["event"]["state"]) == ({"a": "1"}, "dead")


def test_a_dead_letter_that_is_sent_again_waits_in_the_stream(app: Flask) -> None:
    reader, event = make_reader(app), make_event(user_id="ann")
    with app.app_context():
        park(event, "it was bad")
    answer = reader.post(f"/dead-letters/{event.guid}/retry")
    assert (answer.status_code, answer.json) == (202, {"deadLetter": {"guid": event.guid, "state": "queued"}})
    assert reader.json(f"/events/{event.guid}")["event"]["state"] == "queued"
    assert reader.json("/dead-letters")["deadLetters"] == []


def test_a_dead_letter_that_is_dropped_is_gone(app: Flask) -> None:
    reader, event = make_reader(app), make_event(user_id="ann")
    with app.app_context():
        park(event, "it was bad")
    assert reader.delete(f"/dead-letters/{event.guid}").status_code == 200
    assert reader.get(f"/events/{event.guid}").status_code == 404
    assert reader.delete(f"/dead-letters/{event.guid}").status_code == 404
    assert reader.post(f"/dead-letters/{event.guid}/retry").status_code == 404


def test_a_key_that_only_writes_events_reaches_no_dead_letter(app: Flask) -> None:
    reader = make_reader(app, ["events:write"])
    assert reader.get("/dead-letters").status_code == 403
    assert reader.post("/dead-letters/evt_1/retry").status_code == 403
    assert reader.delete("/dead-letters/evt_1").status_code == 403


def test_one_dead_letter_is_shown_by_its_events_guid(app: Flask) -> None:
    reader, event = make_reader(app), make_event(user_id="ann")
    with app.app_context():
        park(event, "it was bad")
    shown = reader.json(f"/dead-letters/{event.guid}")["deadLetter"]
    assert reader.json("/dead-letters")["deadLetters"] == [shown]
    answer = reader.get("/dead-letters/evt_none")
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "unknown_dead_letter")


def test_each_filter_of_dead_letters_keeps_what_it_names(app: Flask) -> None:
    reader = make_reader(app)
    wanted, other = make_event(user_id="ann", anonymous_id="phone"), make_event(user_id="bob")
    with app.app_context():
        park(wanted, "it was bad")
        park(other, "it was bad")
    parked = reader.json(f"/dead-letters/{wanted.guid}")["deadLetter"]["createdAt"]
    for filters in ({"userId": "ann"}, {"anonymousId": "phone"}, {"userId": "ann", "from": parked}):
        found = reader.json("/dead-letters", **filters)["deadLetters"]
        assert [letter["guid"] for letter in found] == [wanted.guid], filters
    assert reader.json("/dead-letters", to=parked, userId="ann")["deadLetters"] == []
    assert reader.get("/dead-letters", type="x").status_code == 400
