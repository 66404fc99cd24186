"""Migrations, on each database: step by step, with rows in the tables, and broken off in the middle of any of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import check, upgrade

from app import create_app
from app.config import ROOT, Settings
from app.models import db
from app.services import services
from tests.conftest import close

REVISIONS = [str(one.revision) for one in ScriptDirectory(str(ROOT / "migrations")).walk_revisions()][::-1]
MOMENT = "2026-01-01 00:00:00"


@pytest.fixture
def bare(database_url: str) -> Iterator[Flask]:
    app = create_app(Settings(database_url=database_url, secret_key="for tests only"))
    with app.app_context():
        services().backend.setup()
        yield app
    close(app)


def fill(table: sa.Table, number: int) -> dict[str, Any]:
    """A row of the table as it is at this revision, with something in each column."""
    values: dict[str, Any] = {}
    for column in table.columns:
        kind = type(column.type).__name__
        if isinstance(column.type, sa.Boolean):
            values[column.name] = False
        elif isinstance(column.type, sa.Integer | sa.Numeric | sa.Double):
            values[column.name] = number
        elif isinstance(column.type, sa.DateTime) or column.name.endswith(("_at", "_until")):
            values[column.name] = MOMENT
        else:
            values[column.name] = '["x"]' if kind in ("JSON", "LONGTEXT") else f"Änna {number} "
    return values


def tables() -> dict[str, sa.Table]:
    found = sa.MetaData()
    found.reflect(db.engine, only=lambda name, _: not name.startswith(("event", "alembic")))
    return dict(found.tables)


def rows_of(names: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    with db.engine.connect() as connection:
        found = {name: connection.execute(sa.text(f"SELECT * FROM {name}")).mappings().all() for name in names}
    return {name: [{key: str(value) for key, value in row.items()} for row in rows] for name, rows in found.items()}


@pytest.mark.usefixtures("bare")
def test_no_upgrade_loses_a_row() -> None:
    for number, revision in enumerate(REVISIONS):
        before = rows_of(list(tables()))
        upgrade(revision=revision)
        after = rows_of(list(before))
        for name, rows in before.items():
            assert [row | old for row, old in zip(after[name], rows, strict=True)] == after[name], (revision, name)
        with db.engine.begin() as connection:
            for name, table in tables().items():
                columns = ", ".join(map(connection.dialect.identifier_preparer.quote, table.c.keys()))
                statement = f"INSERT INTO {name} ({columns}) VALUES (:{', :'.join(table.c.keys())})"
                connection.execute(sa.text(statement), fill(table, number))

    check()
    assert all(len(rows) >= 1 for rows in rows_of(list(tables())).values())


def test_a_migration_that_broke_off_can_be_run_again(bare: Flask, tmp_path: Path) -> None:
    limit, done = 0, 0

    def break_off(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal done
        if statement.lstrip().upper().startswith(("CREATE", "ALTER", "DROP", "INSERT")):
            done += 1
            if done > limit:
                raise KeyboardInterrupt

    sa.event.listen(sa.Engine, "before_cursor_execute", break_off)
    try:
        while True:
            limit, done = limit + 1, 0
            try:
                upgrade()
                break
            except KeyboardInterrupt:
                continue
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", break_off)

    check()
    assert limit > 10
