"""The fast accept path, compiled from a schema: it takes what is valid; anything else goes to the schema for its messages."""

from collections.abc import Callable
from typing import Any

from marshmallow import Schema, ValidationError

from app.ingest.schemas import Converted


def compile_schema(schema: Schema) -> Callable[[Any], dict[str, Any]]:
    """A function that does what `schema.load` does, some ten times faster.

    It raises ValidationError as `load` does. The schema's fields must all be Converted.
    """
    for name, field in schema.load_fields.items():
        _check_field(name, field)
    converts = {name: field.convert for name, field in schema.load_fields.items() if isinstance(field, Converted)}
    required = [name for name, field in schema.load_fields.items() if field.required]
    blank = {name: None if field.required else field.load_default for name, field in schema.load_fields.items()}

    def load(raw: Any) -> dict[str, Any]:
        if type(raw) is not dict:
            return schema.load(raw)  # type: ignore[no-any-return]  # marshmallow's answer is what it is
        valid = blank.copy()
        try:
            for name, value in raw.items():
                if value is not None and name in converts:
                    valid[name] = converts[name](value)
        except ValidationError:
            return schema.load(raw)  # type: ignore[no-any-return]  # it collects the messages of all fields
        for name in required:
            if valid[name] is None:
                return schema.load(raw)  # type: ignore[no-any-return]
        return valid

    return load


def _check_field(name: str, field: Any) -> None:
    if type(field) is not Converted or field.validators or field.required == field.allow_none:
        raise TypeError(f"{name} can't be compiled: it must be Converted, and either required or nullable")
