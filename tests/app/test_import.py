"""Importing files through the pipeline."""

import gzip
import threading
from pathlib import Path

import pytest
import redis
from click.testing import Result
from flask import Flask

from app.importing.mapping import ColumnMapping, InvalidMapping
from app.importing.producer import IMPORT_KEY, import_producer
from app.services import services
from app.stream import BYTES, STREAM, EventStream
from backends.base import EventQuery
from backends.event import Event
from bench.datasets import convert, people, rows
from tests.app.management import make_event, pipeline, queue
from worker.consumer import Consumer

ECOM = """user_id,session_id,event,timestamp,platform,acquisition_channel,user_cohort,user_lifecycle
u1,s1,home,2024-03-13 10:21:14,desktop,email,2024-01,new
u1,s1,purchase,2024-03-13 10:22:14,desktop,email,2024-01,new
u1,s1,home,2024-03-13 10:23:14,desktop,email,2024-01,new
u1,s2,home,2024-03-14 10:21:14,mobile,,2024-01,new
u2,s3,account_page,2024-03-15 10:21:14,mobile,ads,2024-02,new
"""
CDNOW = " customer_id  date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n 00002 19970112  5   77.00\r\n"
CDNOW_OPTIONS = [
    *("--format", "csv", "--delimiter", " ", "--type", "purchase", "--time-format", "%Y%m%d"),
    *("--map", "userId=customer_id", "--map", "occurredAt=date"),
    *("--map", "data.quantity=number_of_cds", "--map", "data.revenue=dollar_value"),
]


def run(app: Flask, path: Path, *options: str) -> Result:
    """`flask events import`."""
    return app.test_cli_runner().invoke(args=["events", "import", str(path), *options])


def drain(app: Flask) -> None:
    """Store what waits in the stream."""
    with app.app_context():
        client = redis.Redis.from_url(services().settings.redis_url)
        consumer = Consumer(client, "test")
        while entries := consumer.read():
            pipeline().settle(pipeline().store_events([event for entry in entries for event in entry.events]))
            consumer.acknowledge(entries)
        client.close()


def stored(app: Flask) -> list[Event]:
    """All stored events, oldest first."""
    with app.app_context():
        return services().backend.find(EventQuery(), 1000)[::-1]


def write(path: Path, text: str) -> Path:
    """The file with this text, compressed if its name says so."""
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        file.write(text)
    return path


def test_a_clickstream_becomes_events_and_its_people_profiles(app: Flask, tmp_path: Path) -> None:
    source = write(tmp_path / "ecom.csv.gz", ECOM)
    assert convert(source, tmp_path / "ecom.ndjson") == 5

    result = run(app, tmp_path / "ecom.ndjson")
    drain(app)

    assert result.exit_code == 0, result.output
    found = stored(app)
    assert [event.user_id for event in found] == [None, "u1", "u1", None, "u2"]
    assert found[3].data == {"platform": "mobile", "user_cohort": "2024-01", "user_lifecycle": "new"}
    assert len({event.profile_guid for event in found}) == people(rows(source)).profiles == 3
    assert len({event.profile_guid for event in found[:3]}) == 1


def test_blank_separated_columns_are_mapped_to_fields(app: Flask, tmp_path: Path) -> None:
    result = run(app, write(tmp_path / "cdnow.txt.gz", CDNOW), *CDNOW_OPTIONS)
    drain(app)
    assert result.exit_code == 0, result.output
    assert [(event.type, event.user_id, event.occurred_at, event.data) for event in stored(app)] == [
        ("purchase", "00001", "1997-01-01T00:00:00.000Z", {"quantity": "1", "revenue": "11.77"}),
        ("purchase", "00002", "1997-01-12T00:00:00.000Z", {"quantity": "5", "revenue": "77.00"}),
    ]


def test_a_file_imported_again_adds_nothing_under_any_name(app: Flask, tmp_path: Path) -> None:
    run(app, write(tmp_path / "one.txt", CDNOW), *CDNOW_OPTIONS)
    drain(app)
    result = run(app, write(tmp_path / "two.txt.gz", CDNOW), *CDNOW_OPTIONS)
    drain(app)
    assert "accepted 2 events" in result.output
    assert len(stored(app)) == 2


def test_columns_named_like_fields_need_no_mapping(app: Flask, tmp_path: Path) -> None:
    text = '\ufefftype,userId,occurredAt,data.size,color,messageId\npageview,ann,2026-01-01T00:00:00Z,3,"a ""b"", c",m-1\n'
    run(app, write(tmp_path / "events.csv", text))
    drain(app)
    (event,) = stored(app)
    assert (event.type, event.user_id, event.message_id) == ("pageview", "ann", "m-1")
    assert event.data == {"size": "3", "color": 'a "b", c'}


def test_events_stand_under_a_key_with_which_nobody_can_sign_in(app: Flask, tmp_path: Path) -> None:
    run(app, write(tmp_path / "one.txt", CDNOW), *CDNOW_OPTIONS)
    drain(app)
    assert {event.producer_guid for event in stored(app)} == {IMPORT_KEY}
    with app.app_context():
        assert import_producer(None) == IMPORT_KEY
    assert "there is no API key" in run(app, tmp_path / "one.txt", *CDNOW_OPTIONS, "--key", "key_none").output


def test_bad_lines_are_told_with_their_number_and_the_rest_is_imported(app: Flask, tmp_path: Path) -> None:
    lines = [
        '{"type": "a", "userId": "ann"}',
        "{",
        "[]",
        '{"userId": "ann"}',
        '{"type": "a"}',
        '{"type": "a", "userId": "ann", "occurredAt": "never"}',
        "",
        '{"type": "b", "userId": "ann"}',
    ]
    result = run(app, write(tmp_path / "events.ndjson", "\n".join(lines)))
    drain(app)
    assert {event.type for event in stored(app)} == {"a", "b"}
    assert len(stored(app)) == 2
    told = [line for line in result.stderr.splitlines() if line.startswith("line ")]
    assert [line.split(":")[0] for line in told] == ["line 2", "line 3", "line 4", "line 5", "line 6"]
    assert "rejected 5 lines" in result.stderr


def test_only_the_first_twenty_bad_lines_are_shown(app: Flask, tmp_path: Path) -> None:
    result = run(app, write(tmp_path / "events.ndjson", "x\n" * 30))
    assert sum(line.startswith("line ") for line in result.stderr.splitlines()) == 20
    assert "rejected 30 lines; the first 20 are above" in result.stderr


def test_an_unreadable_row_does_not_end_the_import(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"type,userId\na,ann\na\na,\xff\na,b\0b\na,x,y\nb,ann\n")
    result = run(app, path)
    drain(app)
    assert {event.type for event in stored(app)} == {"a", "b"}
    assert "rejected 4 lines" in result.stderr


def test_a_time_that_is_written_otherwise_is_rejected(app: Flask, tmp_path: Path) -> None:
    result = run(app, write(tmp_path / "one.txt", CDNOW.replace("19970101", "1.1.1997")), *CDNOW_OPTIONS)
    assert "line 2: occurredAt is '1.1.1997', which is not written as %Y%m%d" in result.stderr


def test_what_the_terminal_would_obey_is_escaped(app: Flask, tmp_path: Path) -> None:
    result = run(app, write(tmp_path / "one.txt", CDNOW.replace("19970101", "\x1b[2J")), *CDNOW_OPTIONS)
    assert "\x1b[2J" not in result.stderr
    assert "\\x1b[2J" in result.stderr


def test_a_stopped_import_goes_on_after_its_checkpoint(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "events.ndjson", "".join(f'{{"type": "t", "userId": "u{n}"}}\n' for n in range(4500)))
    append = services_stream(app).append
    calls: list[int] = []

    def stop_at_the_third(events: list[Event]) -> None:
        calls.append(len(events))
        if len(calls) == 3:
            raise KeyboardInterrupt
        append(events)

    monkeypatch.setattr(services_stream(app), "append", stop_at_the_third)
    run(app, path)
    result = run(app, path)
    drain(app)
    assert "went on after line 4000" in result.output
    assert "accepted 500 events" in result.output
    with app.app_context():
        assert services().backend.count(EventQuery()) == 4500


def test_a_full_buffer_is_waited_for(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        services().redis.set(BYTES, 2**40)
    room = threading.Timer(1.0, lambda: services_stream(app).client.set(BYTES, 0))
    room.start()
    result = run(app, write(tmp_path / "one.txt", CDNOW), *CDNOW_OPTIONS)
    room.join()
    assert "accepted 2 events" in result.output


def test_wait_returns_when_all_is_stored(app: Flask, tmp_path: Path) -> None:
    queue(app, make_event(user_id="ann"))
    worker = threading.Timer(0.5, drain, [app])
    worker.start()
    result = run(app, write(tmp_path / "one.txt", CDNOW), *CDNOW_OPTIONS, "--wait")
    worker.join()
    assert "all are stored after" in result.output
    assert services_stream(app).client.xlen(STREAM) == 0


@pytest.mark.parametrize("pair", ["userId", "userId=", "name=x", "data.=x", "=x"])
def test_a_mapping_that_cannot_be_meant_is_refused(pair: str) -> None:
    with pytest.raises(InvalidMapping):
        ColumnMapping.parse([pair], None, None)


def test_a_column_that_is_not_there_is_named_with_those_that_are(app: Flask, tmp_path: Path) -> None:
    result = run(app, write(tmp_path / "events.csv", "a,b\n1,2\n"), "--map", "userId=c")
    assert result.exit_code == 1
    assert "there is no column 'c'; the file has a, b" in result.stderr


def test_a_column_may_be_several_fields() -> None:
    mapping = ColumnMapping.parse(["userId=id", "data.id=id"], "t", None)
    assert mapping.apply({"id": "7", "userId": "x"}) == {"type": "t", "userId": "7", "data": {"id": "7", "userId": "x"}}


def services_stream(app: Flask) -> EventStream:
    """The stream of this app."""
    with app.app_context():
        return services().stream
