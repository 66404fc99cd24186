"""The commands that look at events and profiles, and decide about them."""

import json
import re
from pathlib import Path

from click.testing import Result
from flask import Flask

from app.dead_letters import park
from app.identity import profiles
from app.models import db
from app.services import services
from tests.app.management import make_event, make_reader, store, work_off


def run(app: Flask, *arguments: str) -> Result:
    """`flask` with these arguments."""
    return app.test_cli_runner().invoke(args=list(arguments))


def profile_of(app: Flask, user_id: str) -> str:
    """The guid of the user's profile."""
    with app.app_context():
        found = profiles.find_by(services().identity, "user", user_id)
        assert found is not None
        return found.guid


def test_an_event_is_shown_with_its_explanation(app: Flask) -> None:
    event = make_event(user_id="ann", data={"path": "\x1b]0;x\x07"})
    store(app, event)
    shown = run(app, "events", "show", event.guid).stdout
    assert profile_of(app, "ann") in shown
    assert "the event names the user" in shown
    assert "\\x1b]0;x\\x07" in shown and "\x1b" not in shown
    assert run(app, "events", "show", "evt_none").exit_code == 1


def test_a_profile_is_found_by_its_ids(app: Flask) -> None:
    store(app, make_event(user_id="ann", anonymous_id="phone"))
    guid = profile_of(app, "ann")
    for arguments in ([guid], ["--user-id", "ann"], ["--anonymous-id", "phone"]):
        assert guid in run(app, "profiles", "show", *arguments).stdout
    assert run(app, "profiles", "show").exit_code == 2
    assert run(app, "profiles", "show", "--user-id", "bob").exit_code == 1


def test_a_merge_is_made_explained_and_taken_back(app: Flask) -> None:
    store(app, make_event(user_id="ann"), make_event(user_id="bob"))
    ann, bob = profile_of(app, "ann"), profile_of(app, "bob")

    made = re.search(r"mrg_\S+?(?=`)", run(app, "profiles", "merge", ann, bob).stdout)

    assert made is not None
    assert made.group() in run(app, "profiles", "explain", bob).stdout
    assert profile_of(app, "bob") == ann
    assert run(app, "profiles", "merge", ann, bob).stdout == "they are one profile already\n"
    assert run(app, "profiles", "revert", made.group()).exit_code == 0
    assert profile_of(app, "bob") == bob
    assert run(app, "profiles", "revert", made.group()).exit_code == 1


def test_a_profile_is_deleted_only_after_a_yes(app: Flask) -> None:
    store(app, make_event(user_id="ann"))
    guid = profile_of(app, "ann")
    assert run(app, "profiles", "delete", guid).exit_code == 1
    assert run(app, "profiles", "delete", guid, "--yes").exit_code == 0
    assert run(app, "profiles", "show", guid).exit_code == 1


def test_every_command_takes_a_profile_by_its_ids(app: Flask) -> None:
    store(app, make_event(user_id="ann", anonymous_id="phone"), make_event(user_id="bob"))
    guid = profile_of(app, "ann")

    assert json.loads(run(app, "profiles", "show", "--anonymous-id", "phone", "--json").stdout)["guid"] == guid
    assert "ann" in run(app, "profiles", "explain", "--user-id", "ann").stdout
    merged = run(app, "profiles", "merge", "--user-id", "ann", "--source-user-id", "bob", "--json")
    assert json.loads(merged.stdout)["merge"].startswith("mrg_")
    assert profile_of(app, "bob") == guid
    deleted = run(app, "profiles", "delete", "--anonymous-id", "phone", "--yes", "--json")
    assert json.loads(deleted.stdout) == {"deleted": guid}


def test_a_merge_names_two_profiles_each_in_one_way(app: Flask) -> None:
    store(app, make_event(user_id="ann"), make_event(user_id="bob"), make_event(user_id="eve"))
    ann, bob, eve = (profile_of(app, name) for name in ("ann", "bob", "eve"))

    for arguments in ([ann], [ann, bob, eve], [ann, bob, "--user-id", "eve"], [ann, bob, "--source-user-id", "eve"]):
        assert run(app, "profiles", "merge", *arguments).exit_code == 2
    assert run(app, "profiles", "merge", "--user-id", "ann", bob).exit_code == 0
    assert profile_of(app, "bob") == ann


def test_an_export_holds_what_the_http_export_holds_and_can_be_gone_on_with(app: Flask, tmp_path: Path) -> None:
    store(app, *(make_event(user_id="ann", occurred_at=f"2026-01-0{day}T00:00:00.000Z") for day in (1, 2, 3)))
    guid, file = profile_of(app, "ann"), tmp_path / "ann.ndjson"
    over_http = make_reader(app).get(f"/profiles/{guid}/export").data.splitlines()

    written = run(app, "profiles", "export", "--user-id", "ann").stdout_bytes.splitlines()
    assert written == over_http[:-1]

    file.write_bytes(b"".join(line + b"\n" for line in written[:-2]))
    last = json.loads(written[-3])["event"]["guid"]
    rest = run(app, "profiles", "export", "--user-id", "ann", "--after", last, "--output", str(file))
    assert rest.exit_code == 0, rest.output
    assert file.read_bytes().splitlines() == written
    assert run(app, "profiles", "export", guid, "--after", "evt_none").exit_code == 2


def test_the_status_is_one_object_for_programs(app: Flask) -> None:
    assert json.loads(run(app, "status", "--json").stdout)["waitingEvents"] == 0


def test_dead_letters_are_listed_retried_and_dropped(app: Flask) -> None:
    events = [make_event(user_id="ann") for _ in range(3)]
    with app.app_context():
        for event in events:
            park(event, "Traceback\nIt was bad")
    listed = run(app, "dead-letters", "list").stdout
    assert all(event.guid in listed for event in events)
    assert "It was bad" in listed and "Traceback" not in listed
    assert run(app, "dead-letters", "retry", events[0].guid).stdout == "1 sent again\n"
    assert run(app, "dead-letters", "drop", "--all").stdout == "2 dropped\n"
    assert run(app, "dead-letters", "drop").exit_code == 2


def test_reindexing_what_is_right_changes_nothing(app: Flask) -> None:
    event = make_event(user_id="ann", anonymous_id="phone")
    store(app, event, make_event(anonymous_id="phone"))
    before = profile_of(app, "ann")
    result = run(app, "reindex")
    work_off(app)
    assert result.stdout == "2 identifiers are noted; the worker goes through them\n"
    assert profile_of(app, "ann") == before


def test_the_status_is_shown(app: Flask) -> None:
    shown = run(app, "status").stdout
    assert re.search(r"dependencies.redis +ok", shown)
    assert re.search(r"waitingEvents +0", shown)


def test_release_makes_all_tables_and_the_second_time_changes_nothing(app: Flask) -> None:
    with app.app_context():
        db.drop_all()
    for _ in range(2):
        result = run(app, "release")
        assert result.exit_code == 0, result.output
    assert make_reader(app).get("/profiles").status_code == 200


def test_a_decision_stands_though_redis_is_away(app: Flask) -> None:
    store(app, make_event(user_id="ann"))
    reader, guid = make_reader(app), profile_of(app, "ann")
    with app.app_context():
        pool = services().redis.connection_pool
    pool.connection_kwargs["port"] = 1
    pool.disconnect()
    assert reader.delete(f"/profiles/{guid}").status_code == 202
    status = reader.json("/status")
    assert (status["waitingEvents"], status["deadLetters"], status["workers"]) == (None, 0, [])
    assert status["dependencies"]["redis"] != "ok"
