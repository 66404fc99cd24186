"""The schema, its compiled form, and times, for JSON of every shape."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields

from app.config import Settings
from app.ingest.acceptance import Acceptance, Acceptor, Rejected
from app.ingest.compiled import compile_schema
from app.ingest.schemas import Converted, EventSchema, identifier
from app.ingest.times import from_ms, parse_ms
from backends.event import MAX_ID_LENGTH, Event

LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""

SCHEMA = EventSchema()
LOAD = compile_schema(EventSchema())

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=10
)
moments = st.integers(0, LAST_MS)
times = moments | moments.map(from_ms) | moments.map(str) | st.sampled_from(["", "--5", "2026-01-02", "null"]) | json_values
likely = {
    "type": st.sampled_from(["pageview", "x" * 192]) | json_values,
    "userId": st.sampled_from(["u1", "null", 7]) | json_values,
    "anonymousId": st.sampled_from(["a1", "undefined", "y" * 192]) | json_values,
    "occurredAt": times,
    "ocurredAt": times,
    "sentAt": times,
    "messageId": texts | st.booleans() | json_values,
    "data": st.dictionaries(texts, json_values, max_size=5) | json_values,
    "other": json_values,
}
events = st.fixed_dictionaries({}, optional=likely) | json_values


def outcome_of(load: Any, raw: Any) -> Any:
    try:
        return load(raw)
    except ValidationError as error:
        return error.messages


@given(events)
@example({"type": "a", "data": {"k": 10**30}})
@example({"type": "a", "data": {"k": {"deep": [10**30]}}})
@example({"type": None, "userId": None})
def test_the_compiled_form_does_what_the_schema_does(raw: Any) -> None:
    assert outcome_of(LOAD, raw) == outcome_of(SCHEMA.load, raw)


@given(events, st.booleans(), st.booleans(), st.none() | st.integers(-1, LAST_MS))
def test_any_json_is_an_event_or_is_rejected(raw: Any, may_identify: bool, is_large: bool, sent_ms: int | None) -> None:
    common = Acceptance("key_1", None, may_identify, sent_ms)
    try:
        event, warnings = Acceptor(Settings()).accept(raw, common, is_large)
    except Rejected as rejected:
        assert rejected.details and all(rejected.details.values())
        return
    check_event(event)
    assert all(isinstance(warning, str) for warning in warnings)
    assert may_identify or event.user_id is None


@pytest.mark.parametrize("value", [True, False, [], {}, "x" * 192])
def test_what_many_messages_would_share_is_no_message_id(value: object) -> None:
    with pytest.raises(ValidationError) as raised:
        LOAD({"type": "pageview", "userId": "u1", "messageId": value})
    assert list(raised.value.messages_dict) == ["messageId"]


def check_event(event: Event) -> None:
    """What every accepted event is."""
    assert 0 < len(event.type) <= MAX_ID_LENGTH
    assert event.user_id or event.anonymous_id
    assert all(len(value) <= MAX_ID_LENGTH for value in (event.user_id, event.anonymous_id, event.message_id) if value)
    assert all(type(key) is str and type(value) is str for key, value in event.data.items())
    assert len(event.occurred_at) == len(event.created_at) == len("2026-11-23T10:00:00.123Z")


@given(json_values | times)
@example("--5")
@example(10**400)
def test_anything_is_a_time_or_none(value: Any) -> None:
    assert type(parse_ms(value)) in (int, type(None))


@given(moments)
def test_a_timestamp_is_read_as_the_milliseconds_it_was_made_of(milliseconds: int) -> None:
    assert parse_ms(from_ms(milliseconds)) == milliseconds


@given(st.integers(100_000_000_000, LAST_MS))
def test_milliseconds_are_read_as_they_are(milliseconds: int) -> None:
    assert parse_ms(milliseconds) == parse_ms(str(milliseconds)) == milliseconds


@given(st.integers(0, 99_999_999_999_999))
@example(1_767_323_045_678)
@example(1001)
def test_seconds_with_a_fraction_are_read_to_the_millisecond(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_ms(seconds) == milliseconds
    assert parse_ms(f"{milliseconds // 1000}.{milliseconds % 1000:03}") == milliseconds


@given(moments, moments)
def test_timestamps_sort_like_numbers(one: int, other: int) -> None:
    assert (from_ms(one) < from_ms(other)) == (one < other)


def test_a_schema_of_other_fields_is_not_compiled() -> None:
    class Other(Schema):
        name = fields.String(required=True)

    with pytest.raises(TypeError, match="name can't be compiled"):
        compile_schema(Other())


def test_a_field_that_is_neither_required_nor_nullable_is_not_compiled() -> None:
    class Other(Schema):
        name = Converted(identifier)

    with pytest.raises(TypeError, match="name can't be compiled"):
        compile_schema(Other())
