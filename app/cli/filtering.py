"""Options that select events, the same for every command that goes through some."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from app.ingest.times import from_ms, parse_ms
from backends.base import EventQuery
from backends.event import Timestamp


class Moment(click.ParamType[Timestamp]):
    """A time: ISO 8601, or seconds or milliseconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Timestamp:
        """The time as a Timestamp."""
        found = parse_ms(str(value))
        if found is None or found < 0:
            self.fail(f"{value!r} is no time from 1970 on, like 2026-11-23T10:00:00Z", param, ctx)
        return from_ms(found)


class Pair(click.ParamType[tuple[str, str]]):
    """KEY=VALUE."""

    name = "pair"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The key and the value."""
        key, equals, wanted = str(value).partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not of the form KEY=VALUE", param, ctx)
        return key, wanted


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command the options, and the query that they make as its argument `query`."""

    @click.option("--type", help="Only events of this type.")
    @click.option("--user-id", help="Only events that name this user.")
    @click.option("--anonymous-id", help="Only events of this device.")
    @click.option("--profile", "profile_guid", metavar="GUID", help="Only events of this profile.")
    @click.option("--data", "pairs", type=Pair(), metavar="KEY=VALUE", multiple=True, help="Only events with this data.")
    @wraps(command)
    def with_query(
        type: str | None,
        user_id: str | None,
        anonymous_id: str | None,
        profile_guid: str | None,
        pairs: tuple[tuple[str, str], ...],
        **others: Any,
    ) -> None:
        query = EventQuery(
            type=type, user_id=user_id, anonymous_id=anonymous_id, profile_guid=profile_guid, data=dict(pairs)
        )
        command(query=query, **others)

    return with_query
