"""Keys: how long they are remembered, with and without their database."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from app.auth import MAX_UNKNOWN, Key, KeyCache, KeysUnavailable, load_key
from app.keys import UnknownPermission, create_key, hash_key, revoke_key, rotate_key
from app.models import db
from tests.app.management import make_reader
from tests.servers import wait_until

KEY = Key("key_1", frozenset(["events:write"]), frozenset())
EVENT = {"type": "pageview", "userId": "u1"}


class Clock:
    """A clock that a test puts forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Table:
    """Where keys are loaded from: it counts how often, and may be away."""

    def __init__(self, **keys: Key) -> None:
        self.keys = {hash_key(name): key for name, key in keys.items()}
        self.asked = 0
        self.is_away = False

    def load(self, digest: str) -> Key | None:
        self.asked += 1
        if self.is_away:
            raise KeysUnavailable
        return self.keys.get(digest)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table() -> Table:
    return Table(good=KEY)


@pytest.fixture
def cache(table: Table, clock: Clock) -> KeyCache:
    return KeyCache(table.load, clock)


def test_a_key_is_asked_for_once_in_five_seconds(cache: KeyCache, table: Table, clock: Clock) -> None:
    cache.find("good")
    clock.now += 4.9
    assert cache.find("good") == KEY
    assert table.asked == 1
    clock.now += 0.2
    assert cache.find("good") == KEY
    assert table.asked == 2


def test_a_revoked_key_ends_within_ten_seconds_however_often_it_is_used(cache: KeyCache, table: Table, clock: Clock) -> None:
    cache.find("good")
    table.keys.clear()
    for _ in range(99):
        clock.now += 0.1
        cache.find("good")
    assert cache.find("good") is None


def test_changed_permissions_hold_within_ten_seconds(cache: KeyCache, table: Table, clock: Clock) -> None:
    cache.find("good")
    table.keys[hash_key("good")] = changed = KEY._replace(permissions=frozenset())
    clock.now += 9.9
    assert cache.find("good") == changed


def test_an_unknown_key_is_asked_for_once_in_ten_seconds(cache: KeyCache, table: Table, clock: Clock) -> None:
    for _ in range(9):
        assert cache.find("bad") is None
        clock.now += 1
    assert table.asked == 1
    clock.now += 1.1
    assert cache.find("bad") is None
    assert table.asked == 2


def test_a_key_that_is_made_while_it_is_unknown_is_found_after_ten_seconds(
    cache: KeyCache, table: Table, clock: Clock
) -> None:
    cache.find("new")
    table.keys[hash_key("new")] = KEY
    clock.now += 10.1
    assert cache.find("new") == KEY


def test_unknown_keys_take_bounded_room(cache: KeyCache, table: Table) -> None:
    for number in range(MAX_UNKNOWN + 500):
        cache.find(f"bad{number}")
    table.asked = 0
    cache.find("bad0")
    cache.find(f"bad{MAX_UNKNOWN + 499}")
    assert table.asked == 1
    assert len(cache._unknown) == MAX_UNKNOWN


def test_unknown_keys_do_not_drive_out_a_known_one(cache: KeyCache, table: Table) -> None:
    cache.find("good")
    for number in range(MAX_UNKNOWN + 1):
        cache.find(f"bad{number}")
    table.is_away = True
    assert cache.find("good") == KEY


def test_a_key_once_seen_stays_good_for_a_day_while_the_database_is_away(cache: KeyCache, table: Table, clock: Clock) -> None:
    cache.find("good")
    table.is_away = True
    for _ in range(24):
        clock.now += 3599
        assert cache.find("good") == KEY
    clock.now += 60
    with pytest.raises(KeysUnavailable):
        cache.find("good")


def test_a_database_that_is_away_is_asked_once_in_five_seconds(cache: KeyCache, table: Table, clock: Clock) -> None:
    cache.find("good")
    table.is_away = True
    clock.now += 60
    for _ in range(10):
        cache.find("good")
    assert table.asked == 2


def test_a_database_that_fails_slowly_is_not_asked_again_at_once(clock: Clock) -> None:
    answers: list[Key | None] = [KEY]

    def load(_digest: str) -> Key | None:
        if answers:
            return answers.pop()
        clock.now += 14
        raise KeysUnavailable

    cache = KeyCache(load, clock)
    cache.find("good")
    clock.now += 6
    cache.find("good")
    asked_at = clock.now
    clock.now += 4
    assert cache.find("good") == KEY
    assert clock.now == asked_at + 4


def test_while_one_thread_asks_a_database_that_was_away_the_others_go_on(clock: Clock) -> None:
    asked = 0

    def load(_digest: str) -> Key | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            return KEY
        if asked == 3:
            assert cache.find("good") == KEY  # as another thread would, meanwhile
        raise KeysUnavailable

    cache = KeyCache(load, clock)
    for _ in range(3):
        cache.find("good")
        clock.now += 6
    assert asked == 3


def test_a_key_that_was_not_used_for_long_is_not_taken_while_it_is_asked_for(clock: Clock) -> None:
    answers = iter([KEY, None, None])
    seen_meanwhile: list[Key | None] = []

    def load(_digest: str) -> Key | None:
        answer = next(answers)
        if answer is None and not seen_meanwhile:
            seen_meanwhile.append(KEY)
            seen_meanwhile[0] = cache.find("good")
        return answer

    cache = KeyCache(load, clock)
    cache.find("good")
    clock.now += 100
    assert cache.find("good") is None
    assert seen_meanwhile == [None]


def test_a_key_that_was_never_seen_is_not_known_while_the_database_is_away(cache: KeyCache, table: Table) -> None:
    table.is_away = True
    with pytest.raises(KeysUnavailable):
        cache.find("good")


def test_an_unknown_key_stays_unknown_while_the_database_is_away(cache: KeyCache, table: Table, clock: Clock) -> None:
    cache.find("bad")
    table.is_away = True
    clock.now += 9
    assert cache.find("bad") is None


def test_the_key_itself_is_not_what_is_asked_for_or_remembered(clock: Clock) -> None:
    asked: list[str] = []
    cache = KeyCache(lambda digest: asked.append(digest), clock)  # type: ignore[func-returns-value]
    cache.find("secret")
    assert asked == [hash_key("secret")]
    assert "secret" not in repr(vars(cache))


# With real databases


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """What the app's database is asked meanwhile."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def put_clock(app: Flask) -> Clock:
    """Let the app's keys be remembered by a clock that the test puts forward."""
    clock = Clock()
    app.extensions["key_cache"] = KeyCache(load_key, clock)
    return clock


def post_with(client: FlaskClient, key: str) -> int:
    return client.post("/api/v1/track", json=EVENT, headers={"X-Api-Key": key}).status_code


@pytest.fixture
def make_key(app: Flask) -> Callable[[], tuple[str, str]]:
    """Makes a write key: its guid and the key itself."""

    def make() -> tuple[str, str]:
        with app.app_context():
            row, key = create_key("test", ["events:write"])
            return row.guid, key

    return make


def test_a_known_key_costs_no_question_to_the_database(
    app: Flask, client: FlaskClient, make_key: Callable[[], tuple[str, str]]
) -> None:
    _, key = make_key()
    with statements(app) as first:
        assert post_with(client, key) == 202
    with statements(app) as second:
        assert [post_with(client, key) for _ in range(5)] == [202] * 5
    assert len([statement for statement in first if "api_keys" in statement]) == 1
    assert second == []


def test_what_can_be_no_key_costs_no_question(app: Flask, client: FlaskClient) -> None:
    with statements(app) as asked:
        assert post_with(client, "no key") == 401
        assert post_with(client, "x" * 1000) == 401
    assert asked == []


def test_a_revoked_key_ends(app: Flask, client: FlaskClient, make_key: Callable[[], tuple[str, str]]) -> None:
    clock = put_clock(app)
    guid, key = make_key()
    assert post_with(client, key) == 202
    with app.app_context():
        revoke_key(guid)
    clock.now += 10
    assert post_with(client, key) == 401


def test_a_rotated_key_keeps_the_guid_and_the_old_one_ends(
    app: Flask, client: FlaskClient, make_key: Callable[[], tuple[str, str]]
) -> None:
    clock = put_clock(app)
    guid, old = make_key()
    assert post_with(client, old) == 202
    with app.app_context():
        rotated = rotate_key(guid)
        assert rotated
        row, new = rotated
        assert row.guid == guid
    clock.now += 10
    assert post_with(client, new) == 202
    assert post_with(client, old) == 401
    with app.app_context():
        found = load_key(hash_key(new))
        assert found and found.guid == guid


def test_a_revoked_key_is_not_rotated(app: Flask, make_key: Callable[[], tuple[str, str]]) -> None:
    guid, _ = make_key()
    with app.app_context():
        revoke_key(guid)
        assert rotate_key(guid) is None


def test_revoking_twice_keeps_the_first_time(app: Flask, make_key: Callable[[], tuple[str, str]]) -> None:
    guid, _ = make_key()
    with app.app_context():
        first = revoke_key(guid)
        assert first
        moment = first.revoked_at
        again = revoke_key(guid)
        assert again and again.revoked_at == moment


def test_only_the_hash_of_a_key_is_stored(app: Flask, make_key: Callable[[], tuple[str, str]]) -> None:
    _, key = make_key()
    with app.app_context():
        rows = db.session.execute(sa.text("SELECT * FROM api_keys")).all()
    assert len(rows) == 1
    assert hash_key(key) in repr(rows) and key not in repr(rows)


def test_a_key_grants_only_permissions_that_there_are(app: Flask) -> None:
    with app.app_context(), pytest.raises(UnknownPermission, match="events:erase.*events:write"):
        create_key("test", ["events:erase"])


def test_a_key_grants_only_what_it_has(app: Flask) -> None:
    assert make_reader(app, ["profiles:read"]).get("/profiles").status_code == 200
    assert make_reader(app, ["profiles:read"]).get("/events").status_code == 403


@pytest.mark.parametrize("origin", ["https://shop.example/", "HTTPS://Shop.Example", " https://shop.example "])
def test_an_origin_is_kept_as_browsers_send_it(app: Flask, origin: str) -> None:
    with app.app_context():
        row, _ = create_key("test", ["events:write"], [origin])
        assert row.origins == ["https://shop.example"]


def test_a_database_that_is_away_is_said(app: Flask, client: FlaskClient) -> None:
    def load(_digest: str) -> Key | None:
        raise KeysUnavailable

    app.extensions["key_cache"] = KeyCache(load)
    answer = client.post("/api/v1/track", json=EVENT, headers={"X-Api-Key": "some-key"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"


def test_a_database_that_hangs_is_waited_for_no_longer_than_a_second(app: Flask) -> None:
    released = threading.Event()

    def hang(*_: object) -> None:
        released.wait()

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", hang)
        began = time.monotonic()
        try:
            with pytest.raises(KeysUnavailable):
                load_key(hash_key("some-key"))
            assert time.monotonic() - began < 1.5
        finally:
            event.remove(db.engine, "before_cursor_execute", hang)
            released.set()
            wait_until(lambda: db.engine.pool.checkedout() == 0)  # type: ignore[attr-defined]  # a QueuePool
