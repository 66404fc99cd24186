"""The examples of docs/ do what they say, and what people would find out by hand."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from app.models import db
from tests.servers import ROOT
from tests.worker.system import System

CDNOW = ROOT.parent / "shared" / "data" / "cdnow.txt.gz"
OPTIONS = [
    *("--format", "csv", "--delimiter", " ", "--type", "purchase", "--time-format", "%Y%m%d"),
    *("--map", "userId=customer_id", "--map", "occurredAt=date"),
    *("--map", "data.quantity=number_of_cds", "--map", "data.revenue=dollar_value", "--wait"),
]

BY_HAND = """
    SELECT count(*) AS orders, sum(r.value::numeric) AS revenue, max(r.value::numeric) AS largest,
           to_char(max(e.occurred_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS last,
           count(*) FILTER (WHERE q.value::int > 2) AS big
    FROM events e
    JOIN event_data r ON r.event_guid = e.guid AND r.key = 'revenue'
    JOIN event_data q ON q.event_guid = e.guid AND q.key = 'quantity'
    WHERE e.type = 'purchase' AND e.user_id = :person
"""
TOTAL = "SELECT sum(value::numeric) FROM event_data WHERE key = 'revenue'"


@pytest.fixture
def system(server_directory: Path) -> Iterator[System]:
    directory = server_directory / "examples"
    directory.mkdir(mode=0o755)
    with System(directory) as system:
        system.start_workers()
        yield system


def imported(system: System, path: Path) -> None:
    command = [sys.executable, "-m", "flask", "--app", "app", "events", "import", str(path), *OPTIONS]
    subprocess.run(command, env={**os.environ, **system.environ}, cwd=ROOT, check=True, capture_output=True)


def shown(system: System, *people: str) -> list[dict[str, Any]]:
    """What the example prints."""
    command = [sys.executable, "docs/examples/properties.py", system.web.url, system.key, *people]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_hand(system: System, person: str) -> dict[str, Any]:
    """What somebody who writes SQL finds out about the person."""
    with system.app.app_context(), db.engine.connect() as connection:
        row = connection.execute(sa.text(BY_HAND), {"person": person}).one()
    known = {"userId": person, "orders": row.orders, "revenue": float(row.revenue), "largestOrder": float(row.largest)}
    return known | {"lastOrder": row.last} | ({"bigOrders": row.big} if row.big else {})


def total(system: System) -> float:
    with system.app.app_context(), db.engine.connect() as connection:
        return float(connection.scalar(sa.text(TOTAL)) or 0)


def test_what_is_known_of_people_is_what_a_query_by_hand_finds(system: System, tmp_path: Path) -> None:
    chance, people = Random(1), [f"{number:05}" for number in range(1, 31)]
    rows = [" customer_id  date number_of_cds  dollar_value"]
    for _ in range(300):
        day, cents = chance.randrange(1, 29), chance.randrange(1, 20_000)
        rows.append(f" {chance.choice(people)} 199701{day:02} {chance.randrange(1, 6):2} {cents / 100:7.2f}")
    (tmp_path / "purchases.txt").write_text("\r\n".join(rows) + "\r\n")
    imported(system, tmp_path / "purchases.txt")

    *told, all_people = shown(system, *people[:3])
    again = shown(system, *people[:3])

    assert told == [by_hand(system, person) for person in people[:3]]
    assert all_people == {"revenue of all": total(system)}
    assert again == [*told, all_people]


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.skipif(not CDNOW.exists(), reason="the data of docs/importing.md do not lie beside this folder")
def test_all_people_of_the_real_data_have_spent_what_they_have(system: System) -> None:
    imported(system, CDNOW)
    people = ["00001", "07592", "14048"]

    *told, all_people = shown(system, *people)

    assert told == [by_hand(system, person) for person in people]
    assert all_people == {"revenue of all": 2_500_315.63}
