"""The fast accept path, compiled from a schema: it takes what is valid; anything else goes to the schema for its messages."""

from collections.abc import Callable
from typing import Any

from marshmallow import Schema, ValidationError

from app.ingest.schemas import Converted

_MISSING = object()


def compile_schema(schema: Schema) -> Callable[[Any], dict[str, Any]]:
    """A function that does what `schema.load` does, some ten times faster.

    It raises ValidationError as `load` does. The schema's fields must all be Converted.
    """
    steps = tuple(_step(name, field) for name, field in schema.load_fields.items())

    def load(raw: Any) -> dict[str, Any]:
        if type(raw) is not dict:
            return schema.load(raw)  # type: ignore[no-any-return]  # marshmallow's answer is what it is
        valid = {}
        try:
            for name, convert, default in steps:
                value = raw.get(name, _MISSING)
                if value is None or value is _MISSING:
                    if default is _MISSING:
                        return schema.load(raw)  # type: ignore[no-any-return]
                    valid[name] = default
                else:
                    valid[name] = convert(value)
        except ValidationError:
            return schema.load(raw)  # type: ignore[no-any-return]  # it collects the messages of all fields
        return valid

    return load


def _step(name: str, field: Any) -> tuple[str, Callable[[Any], Any], Any]:
    """The field's name, its function, and what stands for null and absent (_MISSING: nothing does)."""
    if type(field) is not Converted or field.validators or field.required == field.allow_none:
        raise TypeError(f"{name} can't be compiled: it must be Converted, and either required or nullable")
    return name, field.convert, _MISSING if field.required else field.load_default
