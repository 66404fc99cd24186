"""PostgreSQL, by psycopg2."""

from datetime import date, datetime
from typing import Any

import psycopg2
import psycopg2.extensions
import sqlalchemy as sa

from app.foreign.certificates import ca_file
from app.foreign.drivers.base import (
    CONNECT_S,
    NO_ANSWER,
    NO_DATABASE,
    NOT_ALLOWED,
    NOT_LET_IN,
    TOO_SLOW,
    UNREACHABLE,
    Driver,
    Kind,
    Problem,
    said_by,
)
from app.foreign.place import Place

# The server may not ask for what we have beside the password: files, certificates and tickets of the user we run as.
_NOTHING_ELSE = {
    "passfile": "/nonexistent",
    "sslcertmode": "disable",
    "gssencmode": "disable",
    "require_auth": "password,md5,scram-sha-256,none",
}

_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3}

_KINDS = {
    **dict.fromkeys((20, 21, 23), Kind.WHOLE),
    **dict.fromkeys((25, 1043), Kind.TEXT),
    2950: Kind.UUID,
}
"""By pg_type's oid."""

_PROBLEMS = {"57014": TOO_SLOW, "55P03": TOO_SLOW, "42501": NOT_ALLOWED, "25006": NOT_ALLOWED, "3D000": NO_DATABASE}
"""By SQLSTATE (PostgreSQL manual, appendix A)."""

_OF_CONNECTING = {
    "timeout expired": NO_ANSWER,
    "invalid response": UNREACHABLE,
    "unencrypted data": UNREACHABLE,
    'role "': NOT_LET_IN,
    "does not exist": NO_DATABASE,
    "authentication": NOT_LET_IN,
    "password": NOT_LET_IN,
    "pg_hba.conf": NOT_LET_IN,
    "no encryption": Problem("wants another sslmode", "sslmode"),
    "SSL": Problem("can't be spoken to in that sslmode, or has no certificate that it could trust", "sslmode"),
    "certificate": Problem("has a certificate that is not trusted", "sslmode"),
}
"""By what stands in the words of libpq, which has no codes for it."""


class Postgresql(Driver):
    """PostgreSQL, whose types of time are read here: a year that Python does not know, or infinity, spoils no other value."""

    dialect = "postgresql+psycopg2://"
    error = psycopg2.Error

    def connect(self, place: Place, address: str, timeout_s: float) -> Any:
        options: dict[str, Any] = {**_NOTHING_ELSE, **_KEEPALIVE}
        if place.sslmode == "verify-full":
            options["sslrootcert"] = ca_file()
        raw = psycopg2.connect(
            host=place.host,  # whose certificate it has to be
            hostaddr=address,
            port=place.port,
            dbname=place.database,
            user=place.user,
            password=place.password,
            sslmode=place.sslmode,
            connect_timeout=CONNECT_S,
            client_encoding="utf8",
            application_name="grouparoo-events",
            **options,
        )
        for caster in _CASTERS:
            psycopg2.extensions.register_type(caster, raw)
        return raw

    def begin(self, connection: sa.Connection, timeout_s: float) -> None:
        connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        milliseconds = round(timeout_s * 1000)
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(sa.text(f"SET LOCAL {name} = {milliseconds}"))
        connection.execute(sa.text("SET LOCAL timezone = 'UTC'"))
        connection.execute(sa.text("SET LOCAL datestyle = 'ISO, YMD'"))

    def kind_of(self, type_code: Any) -> Kind:
        return _KINDS.get(type_code, Kind.OTHER)

    def problem_of(self, error: BaseException) -> Problem:
        state: str = getattr(error, "pgcode", None) or ""
        if state in _PROBLEMS:
            return _PROBLEMS[state]
        if state.startswith("42"):  # a statement that makes no sense here: missing table or column, syntax
            return Problem(f"can't be asked so: {said_by(error)}", "userIdColumn" if state == "42703" else "query")
        if state:
            return Problem(f"refused to answer (SQLSTATE {state})", "query")
        words = str(error)
        return next((problem for part, problem in _OF_CONNECTING.items() if part in words), UNREACHABLE)


def _moment(text: Any, _: object) -> Any:
    try:
        return text and datetime.fromisoformat(text)
    except ValueError:
        return text


def _day(text: Any, _: object) -> Any:
    try:
        return text and date.fromisoformat(text)
    except ValueError:
        return text


def _text(text: Any, _: object) -> Any:
    return text


_CASTERS = [
    psycopg2.extensions.new_type((1114, 1184), "FOREIGN_MOMENT", _moment),
    psycopg2.extensions.new_type((1082,), "FOREIGN_DAY", _day),
    psycopg2.extensions.new_type((1083, 1266, 1186), "FOREIGN_TIME", _text),
]
