"""Sql apps that are down, slow, or not to be trusted; and their passwords, which nobody sees again."""

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import create_app
from app.config import Settings
from app.foreign.addresses import problem_of
from app.foreign.database import ForeignDatabase, Limits
from app.foreign.place import AppUnavailable, Place
from app.foreign.vault import NoSecret, Unreadable, Vault
from app.models import App, Loading, db
from app.properties.databases import database_of
from app.services import services
from tests.app.management import Reader, make_event, make_reader, store
from tests.app.test_sql_apps import (
    SELECTION,
    company,
    database_url,
    known,
    load,
    made,
    make_rule,
    make_source,
    reader,
    refresh,
    settings,
)
from tests.company import PASSWORD, USER, Company
from tests.conftest import close
from tests.servers import free_port
from tests.silent import Between

__all__ = ["company", "database_url", "reader", "settings"]

OTHER = "another-c4n4ry"


def failure_of(reader: Reader, source: str) -> dict[str, Any]:
    failure: dict[str, Any] = reader.json(f"/sources/{source}")["source"]["failure"]
    return failure


def lead_to(reader: Reader, port: int) -> str:
    """Let the app lead to another port, where nobody is asked."""
    (guid,) = [one["guid"] for one in reader.json("/apps")["apps"] if one["kind"] == "sql"]
    changed = reader.patch(f"/apps/{guid}", {"port": port, "password": PASSWORD, "test": False})
    assert changed.status_code == 200, changed.text
    found: str = guid
    return found


def test_a_source_that_is_down_is_shown_so_and_asked_less_and_less(app: Flask, reader: Reader, company: Company) -> None:
    store(app, make_event(user_id="1"))
    source = make_source(reader, company)
    make_rule(reader, source, "plan")
    guid = lead_to(reader, free_port())
    assert load(app) == 1
    store(app, make_event(user_id="2"))
    assert load(app) == 0, "nobody asks before it is time"

    failure = failure_of(reader, source)
    assert failure["retryAt"] > failure["at"] and "'crm'" in failure["message"]
    assert [one["source"] for one in reader.json(f"/apps/{guid}")["app"]["failures"]] == ["customers"]
    assert reader.json("/status")["failingSources"] == 1
    found = json.loads(app.test_cli_runner().invoke(args=["doctor", "--json"]).stdout)
    assert [one["level"] for one in found if one["subject"] == "sql source 'customers'"] == ["warning"]
    waits = []
    for _ in range(3):
        with app.app_context(), db.engine.begin() as connection:
            connection.execute(sa.update(Loading).values(retry_at="2026-01-01T00:00:00.000Z"))
        load(app)
        with app.app_context():
            waits.append(db.session.scalars(sa.select(Loading)).one())
    assert [one.failures for one in waits] == [2, 3, 4]

    lead_to(reader, company.port)
    load(app)
    assert known(reader, "1") == {"plan": "gold"} and known(reader, "2") == {"plan": "silver"}
    assert failure_of(reader, source) is None and reader.json("/status")["failingSources"] == 0


def test_a_test_says_whether_it_lets_us_in_and_begins_anew(app: Flask, reader: Reader, company: Company) -> None:
    store(app, make_event(user_id="1"))
    make_rule(reader, make_source(reader, company), "plan")
    guid = lead_to(reader, free_port())
    assert reader.post(f"/apps/{guid}/test").json["test"]["works"] is False
    lead_to(reader, company.port)
    company.execute("ALTER TABLE customers RENAME TO elsewhere")
    assert load(app) == 1

    company.execute("ALTER TABLE elsewhere RENAME TO customers")
    assert load(app) == 0
    assert reader.post(f"/apps/{guid}/test").json == {"test": {"works": True, "message": None}}
    load(app)
    assert known(reader, "1") == {"plan": "gold"}
    assert reader.post("/apps/app_events/test").status_code == 409


def test_who_takes_too_long_is_not_waited_for(app: Flask, reader: Reader, company: Company) -> None:
    store(app, make_event(user_id="1"))
    sleep = "pg_sleep(60)" if company.scheme == "postgresql" else "SLEEP(60)"
    query = f"SELECT id, CASE WHEN id > 0 THEN {sleep} END AS slept FROM customers"
    source = make_source(reader, company, table=None, query=query)
    began = time.monotonic()
    body = {"key": "slept", "type": "string", "sourceGuid": source, "column": "slept"}
    assert reader.post("/property-rules/preview", body).json["error"]["code"] == "app_unavailable"
    make_rule(reader, source, "slept")
    load(app)

    assert "too long" in failure_of(reader, source)["message"]
    assert time.monotonic() - began < 60


def test_a_peer_that_says_nothing_is_not_waited_for(reader: Reader, company: Company) -> None:
    with Between() as silent:
        refused = reader.post("/apps", {**company.app, "port": silent.port})

    assert (refused.status_code, list(refused.json["error"]["details"])) == (422, ["host"])


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x03\0\0\0abc", b"\x02\0\0\0\x0a", b"HTTP/1.1 400\r\n"])
def test_a_peer_that_is_no_database_is_said_to_be_none(reader: Reader, company: Company, greeting: bytes) -> None:
    with Between(greeting=greeting) as other:
        refused = reader.post("/apps", {**company.app, "port": other.port})

    assert (refused.status_code, list(refused.json["error"]["details"])) == (422, ["host"])


def test_a_peer_that_stops_in_the_middle_is_not_waited_for(company: Company) -> None:
    with Between(company.port) as between:
        told = {key: value for key, value in company.app.items() if key not in ("name", "port")}
        database = ForeignDatabase(Place("crm", port=between.port, **told), Limits(1, allows_private=True))
        with pytest.raises(AppUnavailable, match="'crm' (took too long|can't be reached)"), database.reading() as connection:
            connection.execute(sa.text("SELECT 1"))
            between.freeze()
            connection.execute(sa.text("SELECT 1"))


def test_databases_that_say_nothing_leave_threads_for_events(company: Company) -> None:
    """Of four that ask at once, as many as a web process has threads, two wait for the peer."""
    with Between() as silent, ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: said_of(company, silent.port), range(4)))

    assert sorted("under way already" in one for one in said) == [False, False, True, True]
    assert said_of(company, company.port) == "", "the turns were given back"


def said_of(company: Company, port: int) -> str:
    """What is wrong with a database there."""
    told = {key: value for key, value in company.app.items() if key not in ("name", "port")}
    try:
        ForeignDatabase(Place("crm", port=port, **told), Limits(1, allows_private=True)).ping()
    except AppUnavailable as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("password", {"password": OTHER}),
        ("password", {"user": OTHER}),
        ("database", {"database": OTHER}),
        ("host", {"host": "nobody.invalid"}),
        ("host", {"host": "127.0.0.1,10.0.0.1"}),
        ("host", {"host": "/var/run/postgresql"}),
        ("host", {"host": "@abstract"}),
        ("host", {"host": "127.0.0.1?sslmode=disable"}),
        ("host", {"host": "169.254.169.254"}),
        ("host", {"host": "::ffff:169.254.169.254"}),
        ("host", {"host": "0"}),
        ("scheme", {"scheme": "oracle"}),
        ("scheme", {"scheme": "sqlite"}),
        ("port", {"port": 0}),
        ("sslmode", {"sslmode": "verify-full"}),
        ("options", {"options": "-c statement_timeout=0"}),
        ("kind", {"kind": "events"}),
    ],
)
def test_an_app_that_can_not_be_used_is_refused_by_its_field(
    reader: Reader, company: Company, field: str, fields: dict[str, Any]
) -> None:
    refused = reader.post("/apps", {**company.app, **fields})

    assert refused.status_code == 422, refused.text
    details = refused.json["error"]["details"]
    assert list(details)[0] in (field, *(["password"] if "database" in fields else []))
    for secret in (PASSWORD, OTHER, str(company.port), USER):
        assert secret not in refused.text
    assert [one["kind"] for one in reader.json("/apps")["apps"]] == ["events"]


NEVER = ["169.254.1.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1", "ff02::1", "::"]
WRAPPED = ["::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]
CLOUDS = ["100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"]
PRIVATE = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.1", "fec0::1"]
PUBLIC = ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"]


@pytest.mark.parametrize("address", NEVER + WRAPPED + CLOUDS + PRIVATE + PUBLIC)
def test_addresses_are_connected_to_as_the_setting_says(address: str) -> None:
    is_never = address in NEVER + WRAPPED + CLOUDS
    assert bool(problem_of(address, allows_private=True)) == is_never
    assert bool(problem_of(address, allows_private=False)) == (is_never or address in PRIVATE)


def test_a_private_network_is_refused_by_name_of_the_setting(company: Company, settings: Settings) -> None:
    app = create_app(replace(settings, sql_apps_private_networks=False))
    with app.app_context():
        db.create_all()
    reader = make_reader(app)
    for host in ("127.0.0.1", "localhost"):
        refused = reader.post("/apps", {**company.app, "host": host})
        assert "SQL_APPS_PRIVATE_NETWORKS" in refused.json["error"]["details"]["host"][0]
    assert reader.post("/apps", {**company.app, "host": "127.0.0.1", "test": False}).status_code == 422

    untested = made(reader.post("/apps", {**company.app, "host": "localhost", "test": False}), "app")
    told = reader.post(f"/apps/{untested}/test").json["test"]
    assert told["works"] is False and "SQL_APPS_PRIVATE_NETWORKS" in told["message"], "asked again where it connects"
    close(app)


def test_files_of_this_machine_are_read_where_the_setting_says_so(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "crm 100%.sqlite3"
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE customers (id INTEGER, plan TEXT, born)"))
        connection.execute(sa.text("INSERT INTO customers VALUES (1, 'gold', x'00ff'), ('ann', 'silver', 3.5)"))
    engine.dispose()
    app = create_app(replace(settings, sql_apps_sqlite=True))
    with app.app_context():
        db.create_all()
        services().backend.setup()
    reader = make_reader(app)
    store(app, make_event(user_id="1"), make_event(user_id="ann"))
    guid = made(reader.post("/apps", {"name": "crm", "scheme": "sqlite", "database": str(file)}), "app")
    source = made(reader.post("/sources", {"appGuid": guid, "name": "customers", **SELECTION}), "source")
    make_rule(reader, source, "plan")
    make_rule(reader, source, "born", "float")
    load(app)

    assert [known(reader, user) for user in ("1", "ann")] == [{"plan": "gold"}, {"plan": "silver", "born": 3.5}]
    assert reader.post("/apps", {"name": "x", "scheme": "sqlite", "database": "/nothing/there"}).status_code == 422
    body = {"appGuid": guid, "name": "q", "query": "SELECT 1 AS id) AS x, (DELETE FROM customers", "userIdColumn": "id"}
    assert reader.post("/sources", body).status_code == 422
    close(app)


def test_nothing_is_written_whatever_the_query(reader: Reader, company: Company) -> None:
    if company.scheme == "postgresql":
        company.execute("CREATE SEQUENCE numbers")
        company.execute(f"GRANT ALL ON SEQUENCE numbers TO {USER}")
        company.execute(f"GRANT ALL ON customers TO {USER}")
        bodies = [
            "SELECT id, nextval('numbers') FROM customers",
            "SELECT id, set_config('transaction_read_only', 'off', false) FROM customers",
            "SELECT id FROM customers FOR UPDATE",
        ]
    else:
        company.execute(f"GRANT ALL ON {company.database}.* TO {USER}@localhost")
        bodies = ["SELECT id FROM customers FOR UPDATE", "SELECT id FROM customers INTO OUTFILE '/tmp/x'"]
    guid = made(reader.post("/apps", company.app), "app")
    for place, query in enumerate(bodies):
        body = {"appGuid": guid, "name": f"q{place}", "query": query, "userIdColumn": "id"}
        answer = reader.post("/sources", body)
        if answer.status_code == 201:
            shown = reader.get(f"/sources/{answer.json['source']['guid']}/preview")
            assert shown.status_code == 409 or company.scheme != "postgresql", (query, shown.text)
    if company.scheme == "postgresql":
        assert company.execute("SELECT is_called FROM numbers") == [(False,)]


def test_the_password_goes_nowhere_but_where_it_was_given_for(reader: Reader, company: Company) -> None:
    guid = made(reader.post("/apps", company.app), "app")
    with Between() as thief:
        for change in ({"host": "localhost"}, {"port": thief.port}, {"user": "x"}, {"sslmode": "disable"}):
            refused = reader.patch(f"/apps/{guid}", {**change, "test": False})
            assert (refused.status_code, list(refused.json["error"]["details"])) == (422, ["password"])

    renamed = reader.patch(f"/apps/{guid}", {"name": "customers", "host": "127.0.0.1"})
    assert renamed.json["app"]["name"] == "customers"
    assert reader.post(f"/apps/{guid}/test").json["test"]["works"]
    assert reader.patch("/apps/app_events", {"name": "x"}).json["error"]["code"] == "app_built_in"
    assert reader.patch("/apps/app_none", {"name": "x"}).status_code == 404


def test_nothing_shows_the_password(
    app: Flask, reader: Reader, company: Company, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("app").setLevel(logging.DEBUG)
    store(app, make_event(user_id="1"))
    source = make_source(reader, company)
    make_rule(reader, source, "plan")
    load(app)
    guid = lead_to(reader, free_port())
    refresh(app)
    answers = [reader.get(path).text for path in ("/apps", f"/apps/{guid}", "/sources", f"/sources/{source}", "/status")]
    answers.append(reader.post(f"/apps/{guid}/test").text)
    answers.append(reader.post("/apps", {**company.app, "port": "x", "password": {"a": PASSWORD}}).text)
    answers.append(reader.post("/apps", {**company.app, "name": "other", "password": OTHER}).text)
    commands = (["apps", "list"], ["apps", "test", guid], ["sources", "list"], ["sources", "show", source], ["doctor"])
    answers += [app.test_cli_runner().invoke(args=list(command)).output for command in commands]
    with app.app_context():
        row = db.session.get(App, guid)
        assert row is not None
        database = database_of(row)
        answers += [repr(row), str(row.credentials), str(row.options), repr(database), str(vars(database))]
        try:
            database.ping()
        except AppUnavailable as error:
            answers += [repr(error), str(error), repr(error.__cause__), repr(error.__context__ and "")]
        loading = db.session.scalars(sa.select(Loading)).one()
        answers.append(str(loading.failure))

    for text in (*answers, caplog.text, *capfd.readouterr()):
        for secret in (PASSWORD, OTHER, USER):
            assert secret not in text


def test_a_new_secret_key_is_taken_in_three_steps(
    app: Flask, reader: Reader, company: Company, settings: Settings
) -> None:
    guid = made(reader.post("/apps", company.app), "app")

    def works(secret: str, *fallbacks: str, command: bool = False) -> bool:
        other = create_app(replace(settings, secret_key=secret, secret_key_fallbacks=fallbacks))
        try:
            if command:
                done = other.test_cli_runner().invoke(args=["apps", "reencrypt"])
                assert done.exit_code == 0 and done.stdout.startswith("1 apps"), done.output
            told: dict[str, Any] = make_reader(other).post(f"/apps/{guid}/test").json["test"]
            assert told["works"] or "SECRET_KEY_FALLBACKS" in told["message"]
            return bool(told["works"])
        finally:
            close(other)

    assert not works("new")
    assert works("new", "for tests only")
    assert works("new", "for tests only", command=True)
    assert works("new")
    assert not works("for tests only")
    refused = app.test_cli_runner().invoke(args=["apps", "reencrypt"])
    assert refused.exit_code == 1 and "SECRET_KEY_FALLBACKS" in refused.stderr


def test_credentials_are_good_for_their_app_and_key_only() -> None:
    vault = Vault("secret", ("older",))
    token = vault.lock("app_1", {"password": PASSWORD})

    assert PASSWORD not in token and vault.unlock("app_1", token) == {"password": PASSWORD}
    assert vault.unlock("app_1", Vault("older").lock("app_1", {"user": "x"})) == {"user": "x"}
    for other, guid in ((Vault("other"), "app_1"), (vault, "app_2")):
        with pytest.raises(Unreadable):
            other.unlock(guid, token)
    with pytest.raises(NoSecret):
        Vault("").lock("app_1", {})


def test_without_a_secret_key_there_is_no_app(settings: Settings, company: Company) -> None:
    app = create_app(replace(settings, secret_key=""))
    with app.app_context():
        db.create_all()
    refused = make_reader(app).post("/apps", company.app)

    assert (refused.status_code, "SECRET_KEY" in refused.text) == (422, True)
    close(app)
