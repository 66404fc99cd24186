"""What is known of people who bought: `python docs/examples/properties.py URL KEY [userId …]`, after purchases were imported.

Makes a source and a handful of rules over HTTP, unless they are there already, waits until they are computed for everybody,
and prints as JSON what is known of these people, then what all people together have spent. KEY needs `apps:read`,
`apps:write` and `profiles:read`. Needs nothing but Python.
"""

import json
import math
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

URL, KEY, *PEOPLE = sys.argv[1:]

RULES = [
    {"key": "orders", "type": "integer", "column": "type", "aggregation": "count"},
    {"key": "revenue", "type": "float", "column": "data.revenue", "aggregation": "sum"},
    {"key": "largestOrder", "type": "float", "column": "data.revenue", "aggregation": "max"},
    {"key": "lastOrder", "type": "date", "column": "occurredAt", "aggregation": "max"},
    {
        "key": "bigOrders",
        "type": "integer",
        "column": "type",
        "aggregation": "count",
        "filters": [{"key": "data.quantity", "op": "greater than", "match": "2"}],
    },
]


def main() -> None:
    """Make what is missing, wait, and print."""
    source = make("sources", "source", "name", {"name": "purchases", "eventType": "purchase"})
    for rule in RULES:
        made = make("property-rules", "propertyRule", "key", {**rule, "sourceGuid": source["guid"]})
        while made["backfill"]["state"] != "done":
            print(f"{made['key']}: computed for {made['backfill']['profiles']} profiles", file=sys.stderr)
            time.sleep(1)
            made = call(f"property-rules/{made['guid']}")["propertyRule"]
    for person in PEOPLE:
        print(json.dumps({"userId": person, **values(profile(person))}))
    print(json.dumps({"revenue of all": round(math.fsum(values(one).get("revenue", 0) for one in listed("profiles")), 2)}))


def make(path: str, name: str, key: str, body: dict[str, Any]) -> Any:
    """What is there by that name already, or else is made."""
    known = [one for one in listed(path) if one[key] == body[key]]
    return known[0] if known else call(path, body)[name]


def listed(path: str) -> Iterator[Any]:
    """All there is, page by page."""
    after = ""
    while True:
        found = call(f"{path}?limit=1000{after}")
        yield from next(one for one in found.values() if isinstance(one, list))
        if found["next"] is None:
            return
        after = f"&after={found['next']}"


def profile(user_id: str) -> Any:
    """The profile of the user."""
    return call(f"profiles/by/userId/{urllib.parse.quote(user_id, safe='')}")["profile"]


def values(profile: Any) -> dict[str, Any]:
    """What is known of the profile, by key."""
    return {key: one["value"] for key, one in profile["properties"].items()}


def call(path: str, body: object = None) -> Any:
    """The answer's JSON."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{URL}/api/v1/{path}", data, headers)) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
