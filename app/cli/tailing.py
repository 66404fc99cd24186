"""`flask events tail`: the events as they are stored."""

import time

import click
import orjson
import redis

from app.api.shapes import event_shape
from app.cli.terminal import printable, show_json
from app.connections import job_client
from app.live import listen
from app.logs import kind_of
from app.services import services
from backends.base import EventQuery
from backends.event import Event
from backends.memory import matches

RETRY_S = 1


def tail(query: EventQuery, as_json: bool, limit: int | None) -> None:
    """Print the events that pass, until interrupted or `limit` were printed. A Redis that is away is waited for."""
    printed = 0
    while True:
        try:
            with job_client(services().settings) as client:
                for event in listen(client):
                    if event is not None and matches(query, event):
                        _show(event, as_json)
                        printed += 1
                    if printed == limit:
                        return
        except redis.RedisError as error:
            click.echo(f"Redis is away ({kind_of(error)}): waiting for it; what is stored meanwhile is not shown", err=True)
            time.sleep(RETRY_S)


def _show(event: Event, as_json: bool) -> None:
    if as_json:
        return show_json(event_shape(event, event.profile_guid))
    who = " ".join(f"{name}={value}" for name, value in (("user", event.user_id), ("device", event.anonymous_id)) if value)
    data = orjson.dumps(event.data).decode()
    click.echo(printable(f"{event.occurred_at}  {event.type}  {who}  {event.profile_guid}  {data}"))
