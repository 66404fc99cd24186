"""Whoever there is and whatever is asked: the pages and the count of a segment are those of the definition."""

import operator
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.identity.rule import Policy
from app.identity.store import IdentityStore
from app.identity.view import claims_table, identifiers, merges
from app.models import PropertyRule, Source, db
from app.properties.rules import EventRule
from app.properties.store import PropertyStore
from app.properties.values import Computed, properties
from app.segments import reading
from app.segments.matching import Place
from app.segments.segment import make_segment
from backends.event import MAX_ID_LENGTH, now, timestamp

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MOMENT = timestamp(NOW)
USERS = ["ann", "Bob", "zoë", "dan"]
DEVICES = ["phone", "laptop", "ann"]
NOBODY = ""

TYPES = {"name": "string", "paid": "float", "seen": "date", "member": "boolean", "tags": "string"}
VALUES: dict[str, list[Any]] = {
    "name": ["", "a", "A", "ab", "é", "a ", "z'\"", "x" * (MAX_ID_LENGTH + 1)],
    "paid": [-1.5, 0.0, 1.0, 3.0, 1e20],
    "seen": [timestamp(datetime(2026, month, 2, tzinfo=UTC)) for month in (1, 5, 6)],
    "member": [True, False],
    "tags": [["a"], ["a", "b"]],
}
COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}

Values = dict[str, Any]
"""What is known of a profile: the values of its properties, and under `userId` whether it is a person's."""


class Asked(NamedTuple):
    """A filter, and what it means."""

    text: str
    holds: Callable[[Values], bool]


def sought(value: Any) -> Any:
    """What a value is looked for by: too long a text, and a list, can't be."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if isinstance(value, list) or (isinstance(value, str) and len(value) > MAX_ID_LENGTH) else value


def compared(key: str, said: str, match: Any, compare: Callable[[Any, Any], bool]) -> Asked:
    """A condition that holds only for what has a value."""
    return Asked(f"{key} {said}", lambda values: (value := sought(values.get(key))) is not None and compare(value, match))


def opposite(asked: Asked, text: str | None = None) -> Asked:
    return Asked(text or f"not {asked.text}", lambda values: not asked.holds(values))


def quoted(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if "'" in text and '"' not in text else "'" + text.replace("'", "''") + "'"


def equalities(key: str) -> st.SearchStrategy[Asked]:
    matches = st.sampled_from([one for value in VALUES[key] if (one := sought(value)) not in (None, "")])
    words = st.sampled_from(["=", "is"])
    equal = st.builds(lambda word, match: compared(key, f"{word} {quoted(match)}", match, operator.eq), words, matches)
    unequal = st.builds(
        lambda match: opposite(compared(key, "", match, operator.eq), f"{key} != {quoted(match)}"), matches
    )
    return equal | unequal


def orders(key: str) -> st.SearchStrategy[Asked]:
    pairs = st.tuples(st.sampled_from(list(COMPARISONS)), st.sampled_from(VALUES[key]))
    return pairs.map(lambda pair: compared(key, f"{pair[0]}{pair[1]}", pair[1], COMPARISONS[pair[0]]))


def exists(key: str) -> Asked:
    return Asked(f"{key} exists", lambda values: bool(values["userId"]) if key == "userId" else key in values)


existences = st.sampled_from([*TYPES, "userId"]).map(exists)
conditions = st.one_of(
    *(equalities(key) for key in ("name", "paid", "seen", "member")),
    *(orders(key) for key in ("paid", "seen")),
    st.sampled_from("aAé ").map(lambda part: compared("name", f"contains '{part}'", part, operator.contains)),
    st.integers(0, 200).map(
        lambda days: compared("seen", f"within {days} days", timestamp(NOW - timedelta(days=days)), operator.ge)
    ),
    existences,
    existences.map(lambda asked: opposite(asked, asked.text.replace("exists", "does not exist"))),
)


def both(one: Asked, other: Asked) -> Asked:
    return Asked(f"({one.text} and {other.text})", lambda values: one.holds(values) and other.holds(values))


def either(one: Asked, other: Asked) -> Asked:
    return Asked(f"({one.text} OR {other.text})", lambda values: one.holds(values) or other.holds(values))


filters = st.recursive(
    conditions,
    lambda parts: st.builds(both, parts, parts) | st.builds(either, parts, parts) | parts.map(opposite),
    max_leaves=5,
)
sorts = st.sampled_from([None, *(sign + key for key in ("name", "paid", "seen", "member") for sign in ("", "-"))])
known = st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in VALUES.items()})


class Facts(NamedTuple):
    """Everybody's properties; which devices have no home; who claims which, in that order; into whom users were merged."""

    values: list[Values]
    homeless: set[str]
    claims: list[tuple[str, str]]
    parents: dict[str, str]


def forest(parents: list[int]) -> dict[str, str]:
    """Each user may be merged into one who comes before."""
    return {USERS[place]: USERS[parent] for place, parent in enumerate(parents) if 0 <= parent < place}


facts = st.builds(
    Facts,
    st.lists(known, min_size=len(USERS + DEVICES), max_size=len(USERS + DEVICES)),
    st.sets(st.sampled_from(DEVICES), max_size=2),
    st.lists(st.tuples(st.sampled_from(DEVICES), st.sampled_from([*USERS, NOBODY])), unique=True, min_size=3, max_size=8),
    st.lists(st.integers(-1, 2), min_size=len(USERS), max_size=len(USERS)).map(forest),
)


def homes(told: Facts) -> dict[str, tuple[str, str, Values]]:
    """Whose each home is, and what is known of it. Their order is none of the identifiers'."""
    pairs = [*(("user", user) for user in USERS), *(("anonymous", device) for device in DEVICES)]
    return {
        f"pro_{(place * 5) % 7}": (kind, value, {**values, "userId": kind == "user"})
        for place, ((kind, value), values) in enumerate(zip(pairs, told.values, strict=True))
        if kind == "user" or value not in told.homeless
    }


def is_profile(told: Facts, policy: Policy, kind: str, value: str) -> bool:
    """The definition (03-identity): a user is one that was not merged, a device one that is not somebody's by now."""
    if kind == "user":
        return value not in told.parents
    people = [root(told, user) for device, user in told.claims if device == value]
    if policy is Policy.FIRST:
        return people[:1] in ([], [NOBODY])
    return len(set(people)) != 1 or people[0] == NOBODY


def root(told: Facts, user: str) -> str:
    while user in told.parents:
        user = told.parents[user]
    return user


def wanted(told: Facts, policy: Policy, asked: Asked | None, sort: str | None) -> list[str]:
    """The guids of the segment, in order."""
    found = {
        guid: values
        for guid, (kind, value, values) in sorted(homes(told).items())
        if is_profile(told, policy, kind, value) and (asked is None or asked.holds(values))
    }
    if sort is None:
        return list(found)
    places = {guid: by for guid, values in found.items() if (by := sought(values.get(sort.strip("-")))) is not None}
    ordered = sorted(places, key=lambda guid: (places[guid], guid), reverse=sort.startswith("-"))
    return ordered + [guid for guid in found if guid not in places]


def write(told: Facts, store: PropertyStore) -> None:
    """Let that be all there is."""
    records = [{"kind": kind, "value": value, "home": home} for home, (kind, value, _) in homes(told).items()]
    records += [{"kind": "anonymous", "value": device, "home": None} for device in told.homeless]
    claims = [
        {"anonymous_id": device, "user_id": user, "seen": f"{MOMENT} {MOMENT} evt_{place}"}
        for place, (device, user) in enumerate(told.claims)
    ]
    merged = [{"guid": f"mrg_{child}", "child": child, "parent": parent} for child, parent in told.parents.items()]
    with db.engine.begin() as connection:
        for table in (identifiers, claims_table, merges, properties):
            connection.execute(sa.delete(table))
        connection.execute(sa.insert(identifiers).values(created_at=MOMENT), records)
        if claims:
            connection.execute(sa.insert(claims_table).values(origin=""), claims)
        if merged:
            connection.execute(sa.insert(merges).values(kind="user", created_at=MOMENT), merged)
    guids = list(homes(told))
    known = {home: values for home, (_, _, values) in homes(told).items()}
    computed = [
        Computed(rule, guids, {guid: (known[guid][rule.key], 0) for guid in guids if rule.key in known[guid]}, now())
        for rule in store.rules(EventRule)
    ]
    store.write(computed)


def make_rules() -> None:
    times = {"created_at": MOMENT, "updated_at": MOMENT}
    db.session.add(Source(guid="src_t", app_guid="app_events", name="t", event_type="t", options={}, **times))
    options = {"column": "data.x", "aggregation": "most recent value"}
    for key, type in TYPES.items():
        made = {"is_unique": False, "is_array": key == "tags", "options": options, "filters": [], "origin": "user"}
        db.session.add(PropertyRule(guid=f"rul_{key}", key=key, type=type, source_guid="src_t", **made, **times))
    db.session.commit()


def test_a_segment_is_that_of_the_definition(app: Flask) -> None:
    with app.app_context():
        make_rules()

        @given(facts, st.none() | filters, sorts, st.sampled_from(Policy))
        @settings(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def check(told: Facts, asked: Asked | None, sort: str | None, policy: Policy) -> None:
            store = IdentityStore(db.engine, policy)
            write(told, PropertyStore(store))

            segment = make_segment(asked and asked.text, sort, reading.fields_of(store, "userId"), NOW)

            assert pages_of(store, segment) == wanted(told, policy, asked, sort)
            assert reading.count(store, segment) == len(wanted(told, policy, asked, sort))

        check()


def pages_of(store: IdentityStore, segment: Any) -> list[str]:
    """The guids of all pages, one after the other."""
    found: list[str] = []
    after: Place | None = None
    while page := reading.page(store, segment, 2, after):
        found += [one.profile.guid for one in page]
        after = page[-1].place
    return found
