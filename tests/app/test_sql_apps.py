"""Sql apps: databases of a company's own, over HTTP and as the worker loads from them."""

from typing import Any

import pytest
from flask import Flask

from app.config import Settings
from app.models import db
from app.properties.loads import LoadStore
from app.properties.store import PropertyStore
from app.services import services
from tests.app.management import Reader, make_event, make_reader, store, work_off
from tests.company import Company, on_mariadb, on_postgres
from worker.load import Loader


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """The app's own database; it has its part in what is asked of others in other tests."""
    return f"sqlite:///{tmp_path}/test.sqlite3"


@pytest.fixture(params=["postgresql", "mariadb"])
def company(request: pytest.FixtureRequest) -> Company:
    if request.param == "postgresql":
        return on_postgres(request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_url"))
    return on_mariadb(request.getfixturevalue("mariadb_server"), request.getfixturevalue("mariadb_url"))


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        secret_key="for tests only",
        sql_apps_private_networks=True,
        sql_apps_timeout_s=5,
    )


@pytest.fixture
def reader(app: Flask) -> Reader:
    return make_reader(app)


def load(app: Flask, chunks: int = 100) -> int:
    """What the worker does, until there is nothing left to do; how many chunks that was."""
    with app.app_context():
        loader = make_loader(services().settings.sql_apps_refresh_interval_s)
        done = 0
        while done < chunks and loader.work_off():
            done += 1
        return done


def make_loader(interval_s: int = 0) -> Loader:
    """That of a worker process; for which it is time to refresh everybody, unless an interval is given."""
    identity = services().identity
    return Loader(PropertyStore(identity), LoadStore(identity, interval_s))


def refresh(app: Flask, chunks: int = 1) -> None:
    """So many chunks of looking everybody up anew, each by another process."""
    with app.app_context():
        for _ in range(chunks):
            assert make_loader().work_off()


def made(answer: Any, what: str) -> str:
    assert answer.status_code == 201, answer.text
    guid: str = answer.json[what]["guid"]
    return guid


def make_source(reader: Reader, company: Company, **fields: Any) -> str:
    """The customers, in an app of their own."""
    guid = made(reader.post("/apps", company.app), "app")
    body = {"appGuid": guid, "name": "customers", **SELECTION, **fields}
    return made(reader.post("/sources", {key: value for key, value in body.items() if value is not None}), "source")


SELECTION = {"table": "customers", "userIdColumn": "id"}


def make_rule(reader: Reader, source: str, key: str, type: str = "string", column: str | None = None) -> str:
    body = {"key": key, "type": type, "sourceGuid": source, "column": column or key}
    return made(reader.post("/property-rules", body), "propertyRule")


def known(reader: Reader, user: str) -> dict[str, Any]:
    found = reader.json(f"/profiles/by/userId/{user}")["profile"]["properties"]
    return {key: one["value"] for key, one in found.items()}


def test_a_person_is_decorated_with_what_the_company_knows(app: Flask, reader: Reader, company: Company) -> None:
    store(app, make_event(user_id="1"), make_event(user_id="2"), make_event(user_id="3"), make_event(user_id="ann"))
    source = make_source(reader, company)
    types = {"email": "email", "plan": "string", "spent": "float", "visits": "integer", "score": "float"}
    for key, type in {**types, "is_member": "boolean", "born": "date", "seen": "date"}.items():
        make_rule(reader, source, key, type)

    load(app)

    assert known(reader, "1") == {
        "email": "ann@shop.example",
        "plan": "gold",
        "spent": 1234.5,
        "visits": 3,
        "score": 0.25,
        "is_member": True,
        "born": "1965-05-01T00:00:00.000Z",
        "seen": "2026-01-01T10:00:00.000Z",
    }
    assert known(reader, "2")["is_member"] is False and known(reader, "2")["spent"] == 0
    assert known(reader, "3") == known(reader, "ann") == {}


def test_userids_are_compared_exactly_whatever_the_database_takes_for_equal(
    app: Flask, reader: Reader, company: Company
) -> None:
    people = ("ann", "Ann", "ann ", "änn", "007", "a'b\"c`%d\\:e")
    store(app, *(make_event(user_id=user) for user in people))
    company.execute("CREATE TABLE people (name varchar(50), v varchar(50))")
    company.execute("INSERT INTO people VALUES (%s, %s)", [("ann", "1"), ("7", "2"), ("ÄNN", "3"), (people[-1], "5")])
    company.let_read("people")
    source = make_source(reader, company, table="people", userIdColumn="name")
    make_rule(reader, source, "v")
    load(app)

    assert {user: known(reader, user).get("v") for user in people[:1] + people[3:5]} == {"ann": "1", "änn": None, "007": None}
    assert known(reader, "Ann") == {} and known(reader, "ann%20") == {}
    guids = [one["guid"] for one in reader.json("/profiles")["profiles"] if one["identifiers"][0]["value"] == people[-1]]
    assert reader.json(f"/profiles/{guids[0]}")["profile"]["properties"]["v"]["value"] == "5"


def test_names_of_tables_and_columns_may_be_anything(app: Flask, reader: Reader, company: Company) -> None:
    quote = '"' if company.scheme == "postgresql" else "`"
    names = ["a b", "per%cent", "co:lon", "Select", "x'); DROP TABLE customers; --"]
    table = "Cust omers; 100%"
    columns = ", ".join(f"{quote}{name}{quote} varchar(20)" for name in names)
    company.execute(f"CREATE TABLE {quote}{table}{quote} ({quote}user id{quote} varchar(20), {columns})")
    insert = f"INSERT INTO {quote}{table.replace('%', '%%')}{quote} VALUES (%s, %s, %s, %s, %s, %s)"
    company.execute(insert, [("ann", *"12345")])
    company.let_read(f"{quote}{table}{quote}")
    store(app, make_event(user_id="ann"))
    source = make_source(reader, company, table=table, userIdColumn="user id")
    for place, name in enumerate(names):
        make_rule(reader, source, f"k{place}", column=name)
    load(app)

    assert known(reader, "ann") == {f"k{place}": str(place + 1) for place in range(5)}
    assert {one["key"] for one in reader.json(f"/sources/{source}/columns")["columns"]} == {"user id", *names}
    assert company.execute("SELECT count(*) FROM customers")[0][0] == 3


def test_a_query_is_a_source_too(app: Flask, reader: Reader, company: Company) -> None:
    company.execute("CREATE TABLE orders (customer integer, total decimal(10, 2), note varchar(20))")
    company.execute("INSERT INTO orders VALUES (%s, %s, %s)", [(1, "10.25", "10:30 %"), (1, "0.75", "x"), (2, "5", None)])
    company.let_read("orders")
    store(app, make_event(user_id="1"), make_event(user_id="2"))
    query = "SELECT customer, SUM(total) AS total, '12:30 :x 100%' AS said FROM orders WHERE 1 = 1 GROUP BY customer -- all"
    source = make_source(reader, company, table=None, query=query, userIdColumn="customer")
    make_rule(reader, source, "total", "integer")
    make_rule(reader, source, "said")
    load(app)

    said = {"said": "12:30 :x 100%"}
    assert [known(reader, user) for user in "12"] == [{"total": 11, **said}, {"total": 5, **said}]


def test_a_source_that_is_not_there_is_refused_by_its_field(reader: Reader, company: Company) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("table", {"table": "nothing"}),
        ("table", {"table": None}),
        ("table", {"query": "SELECT 1 AS id"}),
        ("query", {"table": None, "query": "SELECT 1 AS id; SELECT 2"}),
        ("query", {"table": None, "query": "SELECT 1 AS id FORM customers WHERE"}),
        ("query", {"table": None, "query": "DROP TABLE customers"}),
        ("userIdColumn", {"userIdColumn": "nothing"}),
        ("userIdColumn", {"userIdColumn": None}),
        ("eventType", {"eventType": "pageview"}),
        ("appGuid", {"appGuid": "app_none"}),
        ("refreshSeconds", {"refreshSeconds": 5}),
    ]
    guid = made(reader.post("/apps", company.app), "app")
    for field, fields in wrong:
        body = {"appGuid": guid, "name": "customers", **SELECTION, **fields}
        refused = reader.post("/sources", {key: value for key, value in body.items() if value is not None})
        assert (refused.status_code, list(refused.json["error"]["details"])) == (422, [field]), refused.text

    assert reader.json("/sources")["sources"] == []
    assert company.execute("SELECT count(*) FROM customers")[0][0] == 3


def test_a_rule_of_a_column_says_the_column_and_no_more(reader: Reader, company: Company) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("column", {"column": "nothing"}),
        ("aggregation", {"aggregation": "count"}),
        ("windowDays", {"windowDays": 3}),
        ("filters", {"filters": [{"key": "type", "op": "exists"}]}),
        ("isArray", {"isArray": True}),
    ]
    source = make_source(reader, company)
    for field, fields in wrong:
        body = {"key": "plan", "type": "string", "sourceGuid": source, "column": "plan", **fields}
        refused = reader.post("/property-rules", body)
        assert (refused.status_code, list(refused.json["error"]["details"])) == (422, [field]), refused.text


def test_what_can_not_be_read_is_left_out_and_counted(app: Flask, reader: Reader, company: Company) -> None:
    store(app, make_event(user_id="1"), make_event(user_id="2"))
    source = make_source(reader, company)
    number, plan = make_rule(reader, source, "n", "integer", "plan"), make_rule(reader, source, "spent", "integer")
    load(app)

    assert [known(reader, user) for user in "12"] == [{}, {"spent": 0}]
    assert [reader.json(f"/property-rules/{guid}")["leftOut"] for guid in (number, plan)] == [2, 1]


@pytest.mark.parametrize("company", ["postgresql"], indirect=True)  # to MariaDB JSON is text
def test_json_is_text_whatever_is_in_it(app: Flask, reader: Reader, company: Company) -> None:
    """But half a surrogate pair alone, which no database stores, is left out."""
    texts = ['{"n":123456789012345678901}', r'{"half":"\ud800"}', '{"n":1}']
    company.execute("CREATE TABLE notes (customer integer, note json)")
    company.execute("INSERT INTO notes VALUES (%s, %s)", list(enumerate([*texts, r'"\ud800"'])))
    company.let_read("notes")
    store(app, *(make_event(user_id=user) for user in "0123"))
    source = make_source(reader, company, table="notes", userIdColumn="customer")
    rule = make_rule(reader, source, "note")
    load(app)

    assert [row["note"] for row in reader.json(f"/sources/{source}/preview")["rows"]] == [*texts, None]
    assert [known(reader, user) for user in "0123"] == [*({"note": text} for text in texts), {}]
    assert reader.json(f"/property-rules/{rule}")["leftOut"] == 1


def test_several_rows_of_a_person_make_no_value_unless_they_agree(app: Flask, reader: Reader, company: Company) -> None:
    company.execute("CREATE TABLE orders (customer integer, kind varchar(20), note varchar(20))")
    rows = [(1, "web", "a"), (1, "web", "b"), (2, "shop", "c"), *((3, "x", str(number)) for number in range(10_001))]
    company.execute("INSERT INTO orders VALUES (%s, %s, %s)", rows)
    company.let_read("orders")
    rows = [(1000 + number // 60, "many", "m") for number in range(12_000)]
    company.execute("INSERT INTO orders VALUES (%s, %s, %s)", rows)
    store(app, *(make_event(user_id=str(number)) for number in (*range(1, 100), *range(1000, 1200))))
    source = make_source(reader, company, table="orders", userIdColumn="customer")
    rules = [make_rule(reader, source, "kind"), make_rule(reader, source, "note")]
    load(app)

    assert [known(reader, user) for user in "123"] == [{"kind": "web"}, {"kind": "shop", "note": "c"}, {}]
    assert all(known(reader, user) == {"kind": "many", "note": "m"} for user in ("1000", "1100", "1199"))
    assert [reader.json(f"/property-rules/{guid}")["leftOut"] for guid in rules] == [1, 2]


def test_the_person_s_own_userid_comes_first_then_those_merged_into_it(app: Flask, reader: Reader, company: Company) -> None:
    company.execute("UPDATE customers SET plan = NULL WHERE id = 1")
    store(app, make_event(user_id="1"), make_event(user_id="2"))
    source = make_source(reader, company)
    make_rule(reader, source, "plan")
    make_rule(reader, source, "email", "email")
    load(app)
    guids = [reader.json(f"/profiles/by/userId/{user}")["profile"]["guid"] for user in "12"]

    merge = reader.post(f"/profiles/{guids[0]}/merge", {"from": guids[1]}).json["merge"]["guid"]
    work_off(app)
    load(app)
    assert known(reader, "2") == known(reader, "1") == {"email": "ann@shop.example", "plan": "silver"}

    reader.post(f"/merges/{merge}/revert")
    work_off(app)
    load(app)
    assert known(reader, "1") == {"email": "ann@shop.example"}
    assert known(reader, "2") == {"email": "bob@shop.example", "plan": "silver"}


def test_a_unique_column_finds_the_profile(app: Flask, reader: Reader, company: Company) -> None:
    company.execute("UPDATE customers SET email = 'ann@shop.example' WHERE id = 2")
    store(app, make_event(user_id="1"), make_event(user_id="2"))
    body = {"key": "email", "type": "email", "sourceGuid": make_source(reader, company), "column": "email", "unique": True}
    made(reader.post("/property-rules", body), "propertyRule")
    load(app)
    found = reader.json("/profiles/by/email/ann@shop.example")["profile"]
    assert reader.json("/status")["conflicts"] == 1

    reader.delete(f"/profiles/{found['guid']}")
    load(app)
    assert reader.json("/profiles/by/email/ann@shop.example")["profile"]["guid"] != found["guid"]


def test_everybody_is_looked_up_anew_in_chunks_that_a_restart_goes_on_with(
    app: Flask, reader: Reader, company: Company
) -> None:
    store(app, *(make_event(user_id=str(number)) for number in range(1, 1100)))
    source = make_source(reader, company)
    rule = make_rule(reader, source, "plan")
    assert (load(app, 1), load(app)) == (1, 2)
    assert reader.json(f"/property-rules/{rule}")["propertyRule"]["backfill"]["profiles"] == 1099
    assert load(app) == 0, "it is not time yet"

    company.execute("UPDATE customers SET plan = 'platinum'")
    before = reader.json(f"/sources/{source}")["source"]["refreshedAt"]
    refresh(app, 3)

    assert known(reader, "1") == {"plan": "platinum"}
    assert reader.json(f"/sources/{source}")["source"]["refreshedAt"] > before


def test_a_deleted_person_is_decorated_no_more(app: Flask, reader: Reader, company: Company) -> None:
    store(app, make_event(user_id="1"))
    make_rule(reader, make_source(reader, company), "plan")
    load(app)
    guid = reader.json("/profiles/by/userId/1")["profile"]["guid"]
    reader.delete(f"/profiles/{guid}")
    refresh(app)
    with app.app_context():
        found = db.session.execute(db.text("SELECT count(*) FROM properties")).scalar()

    assert found == 0


def test_a_rule_and_a_source_are_shown_before_anything_is_loaded(app: Flask, reader: Reader, company: Company) -> None:
    store(app, make_event(user_id="2"))
    source = make_source(reader, company)
    rows = reader.json(f"/sources/{source}/preview", limit=2)["rows"]
    columns = {one["key"]: one["type"] for one in reader.json(f"/sources/{source}/columns")["columns"]}
    body = {"key": "plan", "type": "string", "sourceGuid": source, "column": "plan"}
    (shown,) = reader.post("/property-rules/preview", body).json["values"]

    assert len(rows) == 2 and rows[0].keys() == columns.keys()
    assert (columns["id"], columns["email"], columns["spent"]) == ("integer", "email", "float")
    assert (shown["value"], shown["leftOut"]) == ("silver", 0)
    assert known(reader, "2") == {}


def test_who_may_not_make_rules_does_not_look_into_tables(app: Flask, reader: Reader, company: Company) -> None:
    source = make_source(reader, company)
    other = make_reader(app, ["apps:read", "events:read", "profiles:read"])
    body = {"key": "plan", "type": "string", "sourceGuid": source, "column": "plan"}

    for answer in (other.get(f"/sources/{source}/preview"), other.post("/property-rules/preview", body)):
        assert (answer.status_code, answer.json["error"]["details"]) == (403, {"permission": "apps:write"})


def test_a_column_that_goes_is_told_and_the_others_are_loaded(app: Flask, reader: Reader, company: Company) -> None:
    store(app, make_event(user_id="1"))
    source = make_source(reader, company)
    make_rule(reader, source, "plan")
    make_rule(reader, source, "email", "email")
    load(app)
    company.execute("ALTER TABLE customers DROP COLUMN plan")
    company.execute("UPDATE customers SET email = 'new@shop.example' WHERE id = 1")
    refresh(app)

    assert known(reader, "1") == {"email": "new@shop.example", "plan": "gold"}
    failure = reader.json(f"/sources/{source}")["source"]["failure"]
    assert "'crm'" in failure["message"] and "'plan'" in failure["message"] and failure["retryAt"] is None

    company.execute("ALTER TABLE customers ADD COLUMN plan varchar(20)")
    refresh(app)
    assert reader.json(f"/sources/{source}")["source"]["failure"] is None
    assert known(reader, "1") == {"email": "new@shop.example"}
