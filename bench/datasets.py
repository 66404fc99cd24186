"""The clickstream as events, and the right answer: `python -m bench.datasets ecom IN OUT.ndjson`, `… people IN`."""

import argparse
import csv
import gzip
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from backends.event import timestamp

IDENTIFYING = frozenset({"account_page", "shipping_details", "payment_details", "purchase"})
"""From a session's first event of these types on, a shop knows its customer."""
DATA_COLUMNS = ("platform", "acquisition_channel", "user_cohort", "user_lifecycle")


class People(NamedTuple):
    """Whose the sessions are: each signed-in session is its user's, before and after the sign-in; the others stand alone."""

    user_of_session: dict[str, str]
    anonymous_sessions: frozenset[str]

    @property
    def profiles(self) -> int:
        """How many profiles there should be."""
        return len(set(self.user_of_session.values())) + len(self.anonymous_sessions)


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The clickstream's rows, in the order of the file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") if path.suffix == ".gz" else path.open(newline="") as text:
        yield from csv.DictReader(text)


def events(clicks: Iterable[dict[str, str]]) -> Iterator[dict[str, object]]:
    """A session is an anonymousId; the userId stands on an event only from the session's sign-in on."""
    signed_in: set[str] = set()
    for row in clicks:
        session = row["session_id"]
        if row["event"] in IDENTIFYING:
            signed_in.add(session)
        yield _event(row, row["user_id"] if session in signed_in else None)


def people(clicks: Iterable[dict[str, str]]) -> People:
    """The right answer."""
    user_of_session: dict[str, str] = {}
    sessions: set[str] = set()
    for row in clicks:
        sessions.add(row["session_id"])
        if row["event"] in IDENTIFYING:
            user_of_session[row["session_id"]] = row["user_id"]
    return People(user_of_session, frozenset(sessions - user_of_session.keys()))


def convert(source: Path, target: Path) -> int:
    """Write the clickstream as NDJSON; return the number of events."""
    count = 0
    with gzip.open(target, "wb") if target.suffix == ".gz" else target.open("wb") as out:
        for event in events(rows(source)):
            out.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count


def _event(row: dict[str, str], user_id: str | None) -> dict[str, object]:
    event: dict[str, object] = {
        "type": row["event"],
        "anonymousId": row["session_id"],
        "occurredAt": timestamp(datetime.fromisoformat(row["timestamp"])),
        "data": {name: row[name] for name in DATA_COLUMNS if row[name]},
    }
    return {**event, "userId": user_id} if user_id else event


def main(arguments: list[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.datasets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    ecom = commands.add_parser("ecom", help="write the clickstream as NDJSON")
    ecom.add_argument("source", type=Path)
    ecom.add_argument("target", type=Path)
    commands.add_parser("people", help="print how many profiles there should be").add_argument("source", type=Path)
    given = parser.parse_args(arguments)
    if given.command == "ecom":
        print(f"{convert(given.source, given.target)} events")
    else:
        answer = people(rows(given.source))
        users = len(set(answer.user_of_session.values()))
        print(f"{answer.profiles} profiles: {users} people, {len(answer.anonymous_sessions)} anonymous sessions")


if __name__ == "__main__":
    main(sys.argv[1:])
