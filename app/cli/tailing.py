"""`flask events tail`: the events as they are stored."""

import time

import click
import orjson
import redis

from app.api.shapes import event_shape
from app.cli.terminal import printable
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
                        click.echo(_json(event) if as_json else _line(event))
                        printed += 1
                    if printed == limit:
                        return
        except redis.RedisError as error:
            click.echo(f"Redis is away ({kind_of(error)}): waiting for it; what is stored meanwhile is not shown", err=True)
            time.sleep(RETRY_S)


def _json(event: Event) -> bytes:
    return orjson.dumps(event_shape(event, event.profile_guid))


def _line(event: Event) -> str:
    who = " ".join(f"{name}={value}" for name, value in (("user", event.user_id), ("device", event.anonymous_id)) if value)
    return printable(f"{event.occurred_at}  {event.type}  {who}  {event.profile_guid}  {orjson.dumps(event.data).decode()}")
