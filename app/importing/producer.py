"""The producer of imported events: an API key of its own, with which nobody can sign in."""

import sqlalchemy as sa

from app.models import ApiKey, begin_writing, db
from backends.event import now

IMPORT_KEY = "key_00000000-0000-8000-8000-000000000001"
"""Always the same guid, so that two imports at once make one row, and a file imported twice has the same messages."""


class UnknownProducer(Exception):
    """Raised when there is no API key of the guid that was given."""


def import_producer(guid: str | None) -> str:
    """The guid under which events are imported: the given key's, or that of the key named `import`."""
    if guid is None:
        return _own_key()
    is_known = db.session.get(ApiKey, guid) is not None
    db.session.rollback()  # the import may run for long: it holds no transaction open meanwhile
    if not is_known:
        raise UnknownProducer(f"there is no API key {guid!r}: `flask keys list` shows their guids")
    return guid


def _own_key() -> str:
    begin_writing()
    if db.session.get(ApiKey, IMPORT_KEY) is None:
        moment = now()
        # No key has this hash, for it is none.
        key = ApiKey(guid=IMPORT_KEY, name="import", key_hash="import", permissions=[], origins=[])
        key.created_at = key.updated_at = moment
        db.session.add(key)
    try:
        db.session.commit()
    except sa.exc.IntegrityError:  # another import made it a moment ago
        db.session.rollback()
    return IMPORT_KEY
