"""The command line: `flask --app app …`, or bin/flask."""

from flask import Flask

from app.cli import (
    apps,
    benchmark,
    dead_letters,
    doctor,
    events,
    keys,
    operations,
    profiles,
    properties,
    sources,
    suppressions,
)
from app.cli.outages import guarded

COMMANDS = (
    keys.group,
    events.group,
    profiles.group,
    apps.group,
    sources.sources,
    properties.properties,
    suppressions.group,
    dead_letters.group,
    operations.release,
    operations.reindex,
    operations.status,
    doctor.doctor,
    benchmark.bench,
)


def register(app: Flask) -> None:
    """Add every command to the app, so that no outage shows as a traceback."""
    for command in COMMANDS:
        app.cli.add_command(guarded(command))
