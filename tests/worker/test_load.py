"""Loading from sql apps by a worker's thread, which holds up neither events nor the rules of events."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from flask import Flask

from app.config import Settings
from app.models import Loading, db
from app.properties.loads import LoadStore
from app.services import services
from app.stream import LOAD, wanted
from tests.app.management import Reader, make_event, make_reader
from tests.app.test_api_properties import rule as make_event_rule
from tests.app.test_api_properties import source as make_event_source
from tests.app.test_sql_apps import known, make_rule, make_source
from tests.company import Company, on_postgres
from tests.servers import Postgres, wait_until
from tests.silent import Between
from worker import jobs


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url, secret_key="s", sql_apps_private_networks=True)


@pytest.fixture
def company(postgres_server: Postgres) -> Iterator[Company]:
    """Beside the app's database, which may be on the same server."""
    name = f"company_{uuid.uuid4().hex}"
    yield on_postgres(postgres_server, postgres_server.make_database(name))
    postgres_server.drop_database(name)


@pytest.fixture
def reader(at_work: Flask) -> Reader:
    return make_reader(at_work)


def is_wanted() -> bool:
    return bool(services().redis.exists(wanted(LOAD)))


def accept(user: str) -> None:
    services().stream.append([make_event(user_id=user)])


def test_a_new_person_is_decorated_soon_after_their_first_event(at_work: Flask, reader: Reader, company: Company) -> None:
    make_rule(reader, make_source(reader, company), "plan")
    jobs.load()
    services().redis.flushdb()
    accept("1")
    jobs.drain()
    assert is_wanted(), "the drain wakes the job"
    jobs.load()
    wait_until(lambda: known(reader, "1") == {"plan": "gold"})

    services().redis.delete(wanted(LOAD))
    accept("1")
    jobs.drain()
    assert not is_wanted(), "nobody is new"


def test_a_source_that_does_not_answer_holds_up_no_event_and_no_rule_of_events(
    at_work: Flask, reader: Reader, company: Company
) -> None:
    make_rule(reader, make_source(reader, company), "plan")
    make_event_rule(reader, make_event_source(reader), column="type")
    (guid,) = [one["guid"] for one in reader.json("/apps")["apps"] if one["kind"] == "sql"]
    with Between() as silent:
        reader.patch(f"/apps/{guid}", {"port": silent.port, "password": company.app["password"], "test": False})
        accept("1")
        jobs.drain()
        jobs.load()
        wait_until(lambda: db.session.rollback() or bool(db.session.scalars(sa.select(Loading.taken_until)).one()))
        accept("2")
        jobs.drain()
        jobs.backfill()
        jobs.refresh()
        assert [known(reader, user) for user in "12"] == [{"visits": 1}, {"visits": 1}]
        wait_until(lambda: db.session.rollback() or bool(db.session.scalars(sa.select(Loading.failure)).one()))


def test_a_source_is_one_worker_s_at_a_time(at_work: Flask, reader: Reader, company: Company) -> None:
    make_rule(reader, make_source(reader, company), "plan")
    taken = []

    def take() -> None:
        with at_work.app_context():
            taken.append(LoadStore(services().identity, 0).take())

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lent = [one for one in taken if one]
    assert len(lent) == 1
    loads = LoadStore(services().identity, 0)
    late = replace(lent[0], taken_until="2026-01-01T00:00:00.000Z")
    loads.give_up(late, "whose lease has ended writes nothing")
    assert db.session.scalars(sa.select(Loading.failure)).one() is None
    loads.give_back(lent[0], None)
    assert loads.take() is not None


def test_whoever_is_noted_again_while_being_looked_up_stays_noted(at_work: Flask, reader: Reader, company: Company) -> None:
    source = make_source(reader, company)
    make_rule(reader, source, "plan")
    accept("1")
    jobs.drain()
    loads = LoadStore(services().identity, 0)
    asked = loads.asked(source, 10)
    guids = [reader.json(f"/profiles/by/userId/{user}")["profile"]["guid"] for user in "1"]
    accept("2")
    jobs.drain()
    other = reader.json("/profiles/by/userId/2")["profile"]["guid"]
    reader.post(f"/profiles/{guids[0]}/merge", {"from": other})
    loads.answered(source, asked)

    assert set(loads.asked(source, 10).versions) == {guids[0], other}
