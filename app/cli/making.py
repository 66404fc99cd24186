"""What the commands that make things share: bodies as over HTTP, refusals in one line, and the record that was made."""

from collections.abc import Callable
from typing import TypeVar

from marshmallow import Schema

from app.answers import ApiError
from app.api.bodies import load_body
from app.api.shapes import Json
from app.cli.terminal import fail, show_json, show_record
from app.foreign.place import AppUnavailable
from app.properties.catalogue import InUse, Refused

Made = TypeVar("Made")


def loaded(schema: Schema, body: Json) -> Json:
    """The body's fields; what is wrong with them ends the command."""
    try:
        return load_body(schema, body)
    except ApiError as error:
        fail(str(error))


def refusing(make: Callable[[], Made]) -> Made:
    """What is made; what is refused ends the command."""
    try:
        return make()
    except Refused as error:
        fail(f"{error.field}: {error}")
    except (InUse, AppUnavailable) as error:
        fail(str(error))


def show(record: Json, as_json: bool) -> None:
    """The record, for people or for programs."""
    if as_json:
        show_json(record)
    else:
        show_record(record)
