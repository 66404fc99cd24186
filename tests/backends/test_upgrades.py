"""Tables of an earlier version become today's, and keep their rows."""

import pytest
import sqlalchemy as sa

from backends.base import EventQuery
from backends.sql import upgrades
from backends.sql.backend import SqlBackend
from backends.sql.tables import metadata
from tests.backends.conformance import an_event, at_once


@pytest.fixture
def older(database_url: str) -> SqlBackend:
    """A store as it was before messages had ids and before there were versions, with one event."""
    backend = SqlBackend.open(database_url)
    backend.setup()
    backend.save([an_event(guid="evt_old", user_id="u", data={"k": "v"})])
    with backend.engine.begin() as connection:
        for statement in (
            "DROP TABLE event_backend_version",
            drop_index("events_by_user", backend),
            drop_index("events_not_looked_at", backend),
            "ALTER TABLE events DROP COLUMN message_id",
            "ALTER TABLE events ADD COLUMN note VARCHAR(20) DEFAULT 'mine'",
        ):
            connection.execute(sa.text(statement))
    return backend


def drop_index(name: str, backend: SqlBackend) -> str:
    return f"DROP INDEX {name} ON events" if backend.dialect == "mysql" else f"DROP INDEX {name}"


def layout(backend: SqlBackend) -> dict[str, set[str]]:
    found = sa.inspect(backend.engine)
    columns = {table: {one["name"] for one in found.get_columns(table)} for table in metadata.tables}
    return {table: names | {str(one["name"]) for one in found.get_indexes(table)} for table, names in columns.items()}


def test_an_older_store_gains_what_it_lacks_and_loses_nothing(older: SqlBackend) -> None:
    older.setup()

    older.save([an_event(guid="evt_new", message_id="m")])
    [old] = older.find(EventQuery(user_id="u", data={"k": "v"}), 9)
    new = older.find_by_guid("evt_new")
    assert old.guid == "evt_old" and old.message_id is None
    assert new and new.message_id == "m"
    assert {"message_id", "events_by_user", "events_not_looked_at", "note"} <= layout(older)["events"]
    older.close()


def test_an_upgraded_store_has_all_that_a_new_one_has(older: SqlBackend) -> None:
    older.setup()

    for table in metadata.sorted_tables:
        names = {column.name for column in table.columns} | {str(index.name) for index in table.indexes}
        assert names <= layout(older)[table.name]
    older.close()


def test_two_may_upgrade_at_once(older: SqlBackend) -> None:
    others = [SqlBackend.open(older.engine.url.render_as_string(hide_password=False)) for _ in range(3)]

    at_once(older.setup, *[other.setup for other in others])

    assert older.count(EventQuery()) == 1
    for backend in (older, *others):
        backend.close()


def test_two_may_set_up_a_new_store_at_once(database_url: str) -> None:
    backends = [SqlBackend.open(database_url) for _ in range(4)]

    at_once(*[backend.setup for backend in backends])

    assert backends[0].save([an_event(guid="evt_1")]) == {"evt_1"}
    for backend in backends:
        backend.close()


def test_each_step_is_taken_once_and_noted(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = SqlBackend.open(database_url)
    backend.setup()
    taken: list[str] = []
    monkeypatch.setattr(upgrades, "STEPS", (*upgrades.STEPS, lambda connection: taken.append("next")))

    backend.setup()
    backend.setup()

    assert taken == ["next"]
    backend.close()


def test_a_store_that_is_newer_than_this_code_is_left_alone(database_url: str) -> None:
    backend = SqlBackend.open(database_url)
    backend.setup()
    with backend.engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO event_backend_version (version) VALUES (99)"))
        connection.execute(sa.text(drop_index("events_by_user", backend)))

    backend.setup()

    assert "events_by_user" not in layout(backend)["events"]
    backend.close()


def test_a_setup_that_broke_off_can_be_done_again(older: SqlBackend) -> None:
    limit, done = 0, 0

    def break_off(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal done
        if statement.lstrip().startswith(("CREATE", "ALTER", "INSERT")):
            done += 1
            if done > limit:
                raise KeyboardInterrupt

    sa.event.listen(sa.Engine, "before_cursor_execute", break_off)
    try:
        while limit < 100:
            limit, done = limit + 1, 0
            try:
                older.setup()
                break
            except KeyboardInterrupt:
                continue
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", break_off)

    assert 1 < limit < 100
    assert older.save([an_event(guid="evt_new", message_id="m")]) == {"evt_new"}
    assert {"message_id", "events_by_user", "events_not_looked_at"} <= layout(older)["events"]
    assert older.count(EventQuery()) == 2
    older.close()
