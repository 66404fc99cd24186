"""`flask doctor`: looks at every dependency, setting and table, and says what to do."""

import click
import orjson
from flask import current_app
from flask.cli import with_appcontext

from app.cli.terminal import show_table
from app.diagnosis.buffer import check_redis
from app.diagnosis.databases import check_backend, check_database
from app.diagnosis.findings import Level, examine
from app.diagnosis.machine import check_machine
from app.diagnosis.work import check_leftovers, check_workers

CHECKS = (
    ("machine", check_machine),
    ("redis", check_redis),
    ("database", check_database),
    ("event backend", check_backend),
    ("workers", check_workers),
    ("leftovers", check_leftovers),
)


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON list, for programs.")
@with_appcontext
def doctor(as_json: bool) -> None:
    """Look at every dependency, setting and table, and say what to do. Ends with 1 if something is wrong.

    Example: flask --app app doctor
    """
    findings = examine(current_app._get_current_object(), CHECKS)  # type: ignore[attr-defined]  # a proxy's
    if as_json:
        records = [{"subject": one.subject, "level": one.level, "told": one.told, "advice": one.advice} for one in findings]
        click.echo(orjson.dumps(records))
    else:
        rows = [(one.level, one.subject, one.told, one.advice) for one in findings]
        show_table(["", "what", "how it is", "what to do"], rows)
    raise SystemExit(int(any(one.level is Level.ERROR for one in findings)))
