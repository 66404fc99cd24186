"""MySQL and MariaDB, by PyMySQL."""

import socket
import ssl
from typing import Any

import pymysql
import sqlalchemy as sa
from pymysql.constants import FIELD_TYPE

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

_WHOLE = (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG)
_TEXT = (FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.VARCHAR)

_PROBLEMS = {
    **dict.fromkeys((1045, 1130, 1698, 1251, 1820, 1862, 3118, 4151), NOT_LET_IN),
    **dict.fromkeys((1044, 1049), NO_DATABASE),
    **dict.fromkeys((1142, 1143, 1370, 1792), NOT_ALLOWED),
    **dict.fromkeys((1205, 1317, 1969, 3024), TOO_SLOW),
    **dict.fromkeys((2026, 3159), Problem("can't be spoken to in that sslmode, or has no certificate to trust", "sslmode")),
}
"""By the server's error (MariaDB manual, "Error Codes"); the driver's begin at 2000."""

_OF_STATEMENTS = {1054, 1051, 1052, 1060, 1064, 1109, 1146, 1166, 1248, 1305, 1630}
"""A statement that makes no sense here: their messages name tables and columns, and quote the query."""


class Mysql(Driver):
    """MySQL and MariaDB."""

    dialect = "mysql+pymysql://"
    error = pymysql.Error

    def connect(self, place: Place, address: str, timeout_s: float) -> Any:
        raw = pymysql.Connection(
            host=place.host,  # whose certificate it has to be
            port=place.port,
            database=place.database,
            user=place.user,
            password=place.password.encode(),
            charset="utf8mb4",
            connect_timeout=CONNECT_S,
            read_timeout=CONNECT_S,  # while it connects
            write_timeout=CONNECT_S,
            local_infile=False,
            defer_connect=True,
            **_tls(place.sslmode),
        )
        try:
            raw.connect(socket.create_connection((address, place.port), CONNECT_S))
        except pymysql.Error:
            raise
        except Exception as error:  # nobody there; or somebody who speaks otherwise, of which PyMySQL makes any error
            raise pymysql.OperationalError(2003, str(error)) from None
        raw._read_timeout = timeout_s  # type: ignore[attr-defined]  # PyMySQL has one for both
        return raw

    def begin(self, connection: sa.Connection, timeout_s: float) -> None:
        settings = (
            f"SET SESSION time_zone = '+00:00', lock_wait_timeout = {max(1, round(timeout_s))}"
            f" /*M! , max_statement_time = {timeout_s} */ /*!80000 , max_execution_time = {round(timeout_s * 1000)} */"
        )
        connection.execute(sa.text(settings.replace(":", r"\:")))
        connection.execute(sa.text("START TRANSACTION READ ONLY"))

    def kind_of(self, type_code: Any) -> Kind:
        return Kind.WHOLE if type_code in _WHOLE else Kind.TEXT if type_code in _TEXT else Kind.OTHER

    def problem_of(self, error: BaseException) -> Problem:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if code in _PROBLEMS:
            return _PROBLEMS[code]
        if code in _OF_STATEMENTS:
            return Problem(f"can't be asked so: {said_by(error)}", "userIdColumn" if code == 1054 else "query")
        if 0 < code < 2000 or code >= 3000:
            return Problem(f"refused to answer (error {code})", "query")
        return NO_ANSWER if "timed out" in str(error) else UNREACHABLE

    def _fileno(self, raw: Any) -> int:
        number: int = raw._sock.fileno()
        return number


def _tls(sslmode: str) -> dict[str, Any]:
    if sslmode == "disable":
        return {"ssl_disabled": True}
    if sslmode == "prefer":
        return {}
    if sslmode == "require":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return {"ssl": context}
    return {"ssl": ssl.create_default_context(cafile=ca_file())}
