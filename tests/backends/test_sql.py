"""SqlBackend passes the suite on SQLite, PostgreSQL and MariaDB, and keeps its own promises to people who write SQL."""

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from backends.base import Assignment, Association, Cursor, EventBackend, EventQuery
from backends.conformance.outside import write_from_outside
from backends.errors import BackendUnavailable, EventsRefused
from backends.event import MAX_ID_LENGTH, Event
from backends.sql.backend import SqlBackend
from backends.sql.engine import make_engine
from backends.sql.records import UNREADABLE
from tests.backends.conformance import BackendConformance, an_event, at, at_once, put_in_place
from tests.servers import free_port


@pytest.fixture
def backend(database_url: str) -> Iterator[SqlBackend]:
    backend = SqlBackend.open(database_url)
    backend.setup()
    yield backend
    backend.close()


@pytest.fixture(params=["postgres_url", "mariadb_url"])
def server(request: pytest.FixtureRequest) -> Iterator[SqlBackend]:
    """The backend on a database that is a server."""
    backend = SqlBackend.open(request.getfixturevalue(request.param))
    backend.setup()
    yield backend
    backend.close()


class TestSqlBackend(BackendConformance):
    @pytest.fixture
    def backend(self, backend: SqlBackend) -> SqlBackend:
        return backend

    def write_from_outside(self, backend: EventBackend, events: Sequence[Event]) -> None:
        assert write_from_outside(backend, events)


def sql(backend: SqlBackend, statement: str, **values: object) -> list[tuple[object, ...]]:
    with backend.engine.begin() as connection:
        result = connection.execute(sa.text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []


def careless_sql(backend: SqlBackend, *statements: str, **values: object) -> None:
    """The same in a session of somebody else's, that is not set as ours are."""
    with somebody(backend) as connection:
        for statement in statements:
            connection.execute(sa.text(statement), values)


@contextmanager
def somebody(backend: SqlBackend) -> Iterator[sa.Connection]:
    engine = sa.create_engine(backend.engine.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        if backend.dialect == "mysql":
            connection.execute(sa.text("SET SESSION sql_mode = 'PIPES_AS_CONCAT', time_zone = '+05:00'"))
        yield connection


def key_of(backend: SqlBackend) -> str:
    """`key` is a word of MariaDB's and MySQL's own."""
    return "`key`" if backend.dialect == "mysql" else "key"


NO_TIMES = {
    "mysql": ["yesterday", "0000-00-00", "0000-12-31", "2024-00-13", "2024-02-31"],
    "sqlite": ["yesterday", "13/03/2024", ""],
    "postgresql": ["infinity", "-infinity", "10000-01-01", "0044-03-15 BC"],
}


class TestPeopleWhoWriteSql:
    GUID = re.compile(r"(evt|edt)_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

    def test_a_type_and_a_user_are_a_whole_event(self, backend: SqlBackend) -> None:
        for _ in range(20):
            careless_sql(backend, "INSERT INTO events (type, user_id) VALUES ('purchase', '123')")

        found = backend.unassociated(99, min_age_s=0)

        assert len({event.guid for event in found}) == 20
        for event in found:
            assert self.GUID.fullmatch(event.guid)
            assert (event.type, event.user_id, event.anonymous_id, event.profile_guid) == ("purchase", "123", None, None)
            assert abs(_seconds(event.created_at) - time.time()) < 60
            for moment in (event.occurred_at, event.created_at, event.updated_at):
                assert moment and self.TIMESTAMP.fullmatch(moment)
        with backend.engine.connect() as connection:
            moments = connection.execute(sa.text("SELECT occurred_at, created_at, updated_at FROM events")).all()
        for stored in itertools.chain.from_iterable(moments):
            assert isinstance(stored, str) or stored.microsecond % 1000 == 0

    def test_event_data_needs_its_event_its_key_and_its_value(self, backend: SqlBackend) -> None:
        sql(backend, f"INSERT INTO event_data (event_guid, {key_of(backend)}, value) VALUES ('mine', 'price', '5')")
        sql(backend, "INSERT INTO events (guid, type) VALUES ('mine', 'purchase')")

        found = backend.find_by_guid("mine")

        assert found and found.data == {"price": "5"}
        assert self.GUID.fullmatch(str(sql(backend, "SELECT guid FROM event_data")[0][0]))

    def test_an_event_without_a_time_occurred_when_it_was_created(self, backend: SqlBackend) -> None:
        sql(backend, "INSERT INTO events (guid, type, occurred_at) VALUES ('mine', 'purchase', NULL)")

        self._assert_occurred(backend, backend.unassociated(9, min_age_s=0)[0].created_at)

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("2024-03-13 10:21:14", "2024-03-13T10:21:14.000Z"),
            ("2024-03-13 10:21", "2024-03-13T10:21:00.000Z"),
            ("2024-03-13", "2024-03-13T00:00:00.000Z"),
            ("2024-03-13T10:21:14.5", "2024-03-13T10:21:14.500Z"),
            ("2024-03-13 10:21:14.123456", "2024-03-13T10:21:14.123Z"),
        ],
    )
    def test_a_time_may_be_written_as_people_do(self, backend: SqlBackend, written: str, read: str) -> None:
        sql(backend, "INSERT INTO events (guid, type, occurred_at) VALUES ('mine', 'purchase', :written)", written=written)

        self._assert_occurred(backend, read)

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("2024-03-13T10:21:14Z", "2024-03-13T10:21:14.000Z"),
            ("2024-03-13T10:21:14.5Z", "2024-03-13T10:21:14.500Z"),
            ("2024-03-13 01:21:14+02:00", "2024-03-12T23:21:14.000Z"),
            ("2024-03-13T10:21:14.123-05:30", "2024-03-13T15:51:14.123Z"),
        ],
    )
    def test_a_time_with_its_zone_is_understood_or_refused(self, backend: SqlBackend, written: str, read: str) -> None:
        if backend.dialect == "mysql":  # a DATETIME has no zone
            with pytest.raises(sa.exc.DBAPIError, match="Incorrect datetime"):
                sql(backend, "INSERT INTO events (type, occurred_at) VALUES ('purchase', :written)", written=written)
            return
        sql(backend, "INSERT INTO events (guid, type, occurred_at) VALUES ('mine', 'purchase', :written)", written=written)

        self._assert_occurred(backend, read)

    def test_what_is_no_time_reads_as_when_it_was_created(self, backend: SqlBackend) -> None:
        for written in NO_TIMES[backend.dialect]:
            sql(backend, "DELETE FROM events")
            statement = "INSERT INTO events (guid, type, occurred_at) VALUES ('mine', 'purchase', :written)"
            careless_sql(backend, statement, written=written)
            assert len(backend.find(EventQuery(), 9)) == 1
            self._assert_occurred(backend, backend.unassociated(9, min_age_s=0)[0].created_at)

    def test_an_event_created_at_no_time_does_not_stop_the_others(self, backend: SqlBackend) -> None:
        word = NO_TIMES[backend.dialect][0]
        statement = "INSERT INTO events (guid, type, occurred_at, created_at) VALUES ('mine', 'a', :word, :word)"
        careless_sql(backend, statement, word=word)
        sql(backend, "INSERT INTO events (guid, type, user_id) VALUES ('other', 'a', 'u')")

        found = backend.unassociated(9, min_age_s=0)
        marked = backend.associate([Association(event.guid, "pro_1", None, "a") for event in found])

        assert marked == {"mine", "other"}
        assert backend.find_by_guid("mine").created_at == UNREADABLE  # type: ignore[union-attr]

    def test_what_the_scan_saw_is_what_is_stored(self, backend: SqlBackend) -> None:
        written = ["2024-03-13 10:21:14.999", "2024-03-13 10:21:14.0005", "1960-01-01", "2024-12-31 23:59:59.9996"]
        for number, moment in enumerate(written):
            statement = "INSERT INTO events (guid, type, occurred_at, created_at) VALUES (:guid, 'a', :moment, :moment)"
            sql(backend, statement, guid=f"evt_{number}", moment=moment)
        before = {event.guid: event.seen for event in backend.unassociated(9, min_age_s=0)}

        backend.associate([Association(guid, "pro_1", "u", "a") for guid in before])

        assert len(before) == len(written)
        assert {event.guid: event.seen for event in backend.find(EventQuery(), 9)} == before
        assert backend.first_sightings(["a"]) == {("a", "u"): min(before.values())}

    def _assert_occurred(self, backend: SqlBackend, moment: str) -> None:
        """Before it is associated and after, and as it is stored."""
        [before] = backend.unassociated(9, min_age_s=0)
        backend.associate([Association(before.guid, None, None, None)])
        after = backend.find_by_guid(before.guid)

        assert before.occurred_at == moment
        assert after and after.occurred_at == moment
        if backend.dialect == "sqlite":
            assert sql(backend, "SELECT occurred_at FROM events") == [(moment,)]
        assert [event.guid for event in backend.find(EventQuery(since=moment), 9)] == [before.guid]


TRIGGERS = {
    "postgresql": [
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'no'; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER no BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.type = 'forbidden') EXECUTE FUNCTION refuse()",
    ],
    "mysql": [
        "CREATE TRIGGER no BEFORE INSERT ON events FOR EACH ROW"
        " IF NEW.type = 'forbidden' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF"
    ],
    "sqlite": [
        "CREATE TRIGGER no BEFORE INSERT ON events WHEN NEW.type = 'forbidden' BEGIN SELECT RAISE(ABORT, 'no'); END",
    ],
}


IDLE_TRANSACTIONS = {
    "postgresql": ("SHOW idle_in_transaction_session_timeout", "15s"),
    "mysql": ("SELECT @@idle_transaction_timeout", 15),
}


class TestRefusal:
    def test_an_event_that_does_not_fit_takes_its_batch_along(self, server: SqlBackend) -> None:
        with pytest.raises(EventsRefused, match="too long"):
            server.save([an_event(), an_event(type="x" * (MAX_ID_LENGTH + 1))])

        assert server.count(EventQuery()) == 0

    def test_half_a_surrogate_is_refused(self, server: SqlBackend) -> None:
        with pytest.raises(EventsRefused):
            server.save([an_event(), an_event(data={"k": "\ud800"})])

        assert server.count(EventQuery()) == 0

    def test_the_server_ends_a_transaction_that_nobody_goes_on_with(self, server: SqlBackend) -> None:
        """A worker that is frozen in the middle of one would hold up the others for as long as it is."""
        question, expected = IDLE_TRANSACTIONS[server.dialect]

        assert sql(server, question)[0][0] == expected

    def test_a_nul_is_refused_where_there_is_none(self, postgres_url: str) -> None:
        backend = SqlBackend.open(postgres_url)
        backend.setup()

        with pytest.raises(EventsRefused):
            backend.save([an_event(), an_event(data={"k": "\0"})])

        assert backend.count(EventQuery()) == 0
        backend.close()

    def test_what_somebodys_own_trigger_refuses_is_refused(self, backend: SqlBackend) -> None:
        for statement in TRIGGERS[backend.dialect]:
            sql(backend, statement)

        with pytest.raises(EventsRefused):
            backend.save([an_event(), an_event(type="forbidden")])

        assert backend.count(EventQuery()) == 0
        assert backend.save([an_event(guid="evt_1")]) == {"evt_1"}

    def test_data_that_is_there_without_its_event_refuses_it(self, backend: SqlBackend) -> None:
        event = an_event(data={"k": "v"})
        insert = f"INSERT INTO event_data (event_guid, {key_of(backend)}, value) VALUES (:guid, 'k', 'w')"
        sql(backend, insert, guid=event.guid)

        with pytest.raises(EventsRefused):
            backend.save([event])

        assert backend.count(EventQuery()) == 0


class TestOutage:
    def test_a_store_that_is_not_set_up_is_unavailable(self, database_url: str) -> None:
        backend = SqlBackend.open(database_url)

        with pytest.raises(BackendUnavailable):
            backend.save([an_event()])

        backend.close()

    @pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
    def test_a_server_that_is_not_there_is_unavailable(self, scheme: str) -> None:
        backend = SqlBackend.open(f"{scheme}://nobody@127.0.0.1:{free_port()}/nothing")

        for call in (backend.ping, backend.setup, backend.types, lambda: backend.save([an_event()])):
            with pytest.raises(BackendUnavailable):
                call()

    def test_a_lost_connection_is_made_again(self, server: SqlBackend) -> None:
        event = an_event(data={"k": "v"})
        lost = False

        @sa.event.listens_for(server.engine, "begin")
        def lose(connection: sa.Connection) -> None:
            nonlocal lost
            if not lost:
                lost = True
                _terminate(connection)

        with pytest.raises(BackendUnavailable):
            server.save([event])

        assert server.save([event]) == {event.guid}

    def test_a_locked_table_is_an_outage_not_a_refusal(self, server: SqlBackend) -> None:
        event = an_event()
        lock, hurry = {
            "postgresql": ("LOCK TABLE events", "SET LOCAL statement_timeout = 50"),
            "mysql": ("LOCK TABLES events WRITE", "SET SESSION lock_wait_timeout = 1"),
        }[server.dialect]

        def insert(connection: sa.Connection) -> None:
            connection.execute(sa.text(hurry))
            server._insert(connection, [event])

        with somebody(server) as connection:
            connection.execute(sa.text(lock))
            with pytest.raises(BackendUnavailable):
                server._transact(insert)

        assert server.save([event]) == {event.guid}

    def test_a_transaction_that_ends_a_deadlock_is_done_again(self, server: SqlBackend) -> None:
        for guid in ("evt_1", "evt_2"):
            server.save([an_event(guid=guid)])
        both_hold_one = threading.Barrier(2)
        attempts = []

        def write(connection: sa.Connection, first: str, second: str) -> str:
            attempts.append(first)
            update = sa.text("UPDATE events SET profile_guid = :me WHERE guid = :guid")
            connection.execute(update, {"me": first, "guid": first})
            if len(attempts) <= 2:
                both_hold_one.wait(20)
            connection.execute(update, {"me": first, "guid": second})
            return first

        done = at_once(
            lambda: server._transact(lambda connection: write(connection, "evt_1", "evt_2")),
            lambda: server._transact(lambda connection: write(connection, "evt_2", "evt_1")),
        )

        assert done == ["evt_1", "evt_2"] and len(attempts) > 2


class TestPlans:
    """Whatever the database knows of its tables: the work is in proportion to what is asked for, not to what is stored."""

    STORED = 100_000
    FILL = {
        "mysql": "SELECT n FROM (SELECT seq AS n FROM seq_1_to_100000 WHERE seq <= :stored) AS numbers",
        "postgresql": "SELECT n FROM generate_series(1, :stored) AS n",
        "sqlite": "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :stored) SELECT n FROM s",
    }

    @pytest.mark.parametrize("is_analyzed", [False, True])
    def test_no_question_reads_every_event(self, backend: SqlBackend, is_analyzed: bool) -> None:
        self._fill(backend)
        if is_analyzed:
            sql(backend, "ANALYZE TABLE events, event_data" if backend.dialect == "mysql" else "ANALYZE")
        guids = [f"evt_{number}" for number in range(1000)]
        move = partial(put_in_place, backend, limit=1000)
        questions: dict[str, Callable[[], object]] = {
            "unassociated": lambda: backend.unassociated(1000, 2),
            "first_sightings": lambda: backend.first_sightings([f"dev_{number}" for number in range(100)]),
            "types": backend.types,
            "data_keys": lambda: backend.data_keys("type_1"),
            "identifiers": lambda: backend.identifiers(100, ("anonymous", "dev_5")),
            "move users": lambda: move([Assignment("p", user_id=f"user_{n}") for n in range(100)]),
            "move a device": lambda: move([Assignment("p", anonymous_id="dev_1", since=an_event().seen)]),
            "associate": lambda: backend.associate([Association(guid, None, None, None) for guid in guids]),
            "delete": lambda: backend.delete([Assignment("p", user_id=f"user_{n}") for n in range(10)], 1000),
            "save": lambda: backend.save([an_event(guid=guid) for guid in guids]),
            "find a page": lambda: backend.find(EventQuery(), 100, Cursor(at(5), at(5), "evt_1")),
            "find a type": lambda: backend.find(EventQuery(type="type_1"), 100),
            "find a profile": lambda: backend.find(EventQuery(profile_guid="pro_1"), 100),
            "find guids": lambda: backend.find(EventQuery(guids=guids), 1000),
        }

        walks_of = _long_walks if backend.dialect == "mysql" else _walks
        walked = {name: walks for name, ask in questions.items() if (walks := walks_of(backend, ask))}

        assert walked == {}

    def test_an_idle_scan_looks_only_at_what_waits(self, backend: SqlBackend) -> None:
        self._fill(backend)

        plans = _plans(backend, lambda: backend.unassociated(1000, 2))

        assert "events_not_looked_at" in "\n".join(plans)

    def _fill(self, backend: SqlBackend) -> None:
        columns = "guid, type, user_id, anonymous_id, profile_guid, occurred_at, created_at, profile_associated_at"
        moment = {
            "mysql": "from_unixtime(n)",
            "postgresql": "to_timestamp(n)",
            "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', n, 'unixepoch')",
        }
        tenth = {"mysql": "n DIV 10"}.get(backend.dialect, "n / 10")
        ids = f"'evt_' || n, 'type_' || (n % 5), 'user_' || ({tenth}), 'dev_' || ({tenth}), 'pro_' || ({tenth})"
        moments = ", ".join([moment[backend.dialect]] * 3)
        source = self.FILL[backend.dialect].replace("SELECT n FROM", f"SELECT {ids}, {moments} FROM")
        data = self.FILL[backend.dialect].replace("SELECT n FROM", "SELECT 'evt_' || n, 'key', 'value' FROM")
        columns_of_data = f"event_guid, {key_of(backend)}, value"
        statements = [f"INSERT INTO events ({columns}) {source}", f"INSERT INTO event_data ({columns_of_data}) {data}"]
        careless_sql(backend, *statements, stored=self.STORED)


def _long_walks(backend: SqlBackend, ask: Callable[[], object]) -> list[str]:
    """MariaDB counts the rows that a statement reads: a tenth of all is more than any of them needs."""
    found: list[str] = []

    def begin(_connection: object, cursor: Any, *_: object) -> None:
        cursor.execute("FLUSH STATUS")

    def note(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        with connection.connection.cursor() as cursor:
            cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
            read = sum(int(count) for _, count in cursor.fetchall())
        if read > TestPlans.STORED / 10:
            found.append(f"{read}: {statement[:500]}")

    sa.event.listen(backend.engine, "before_cursor_execute", begin)
    sa.event.listen(backend.engine, "after_cursor_execute", note)
    ask()
    sa.event.remove(backend.engine, "before_cursor_execute", begin)
    sa.event.remove(backend.engine, "after_cursor_execute", note)
    return found


def _walks(backend: SqlBackend, ask: Callable[[], object]) -> list[str]:
    every_row = re.compile(r"Seq Scan on event|SCAN event\w*\b(?! USING)|SCAN event\w* .*INDEX (?!events_by_t|events_not)")
    return [line for plan in _plans(backend, ask) for line in plan.splitlines() if every_row.search(line)]


def _plans(backend: SqlBackend, ask: Callable[[], object]) -> list[str]:
    """The plans of the statements that `ask` executes."""
    explain = {"mysql": "EXPLAIN ", "postgresql": "EXPLAIN ", "sqlite": "EXPLAIN QUERY PLAN "}[backend.dialect]
    found: list[str] = []

    def note(_connection: object, cursor: Any, statement: str, values: Any, _context: object, many: bool) -> None:
        if not many and statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            cursor.execute(explain + statement, values)
            found.append("\n".join(" ".join(map(str, row)) for row in cursor.fetchall()))

    sa.event.listen(backend.engine, "before_cursor_execute", note)
    ask()
    sa.event.remove(backend.engine, "before_cursor_execute", note)
    return found


def _terminate(connection: sa.Connection) -> None:
    """End the connection from the server's side."""
    ask, end = {
        "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
        "mysql": ("SELECT CONNECTION_ID()", "KILL {}"),
    }[connection.dialect.name]
    engine = make_engine(connection.engine.url.render_as_string(hide_password=False))
    with engine.begin() as other:
        other.execute(sa.text(end.format(connection.scalar(sa.text(ask)))))
    engine.dispose()


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
