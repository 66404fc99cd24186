"""Vault: credentials as they are stored, encrypted by a key that is made of SECRET_KEY."""

import base64
from collections.abc import Mapping

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PURPOSE = b"grouparoo-events: credentials of apps"
"""Other keys that may be made of SECRET_KEY some day are others."""


class Unreadable(Exception):
    """Raised when credentials were encrypted with a SECRET_KEY that is not known any more."""


class NoSecret(Exception):
    """Raised when there is no SECRET_KEY to encrypt with."""


class Vault:
    """Encrypts with the first secret; reads what any of them encrypted."""

    def __init__(self, secret: str, fallbacks: tuple[str, ...] = ()) -> None:
        self._has_secret = bool(secret)
        self._fernet = MultiFernet([_fernet(one) for one in (secret, *fallbacks)])

    def lock(self, app_guid: str, credentials: Mapping[str, str]) -> str:
        """The credentials, encrypted for this app. Raises NoSecret."""
        if not self._has_secret:
            raise NoSecret
        return self._fernet.encrypt(orjson.dumps([app_guid, dict(credentials)])).decode()

    def unlock(self, app_guid: str, token: str) -> dict[str, str]:
        """The credentials. Raises Unreadable, also for those of another app."""
        try:
            owner, credentials = orjson.loads(self._fernet.decrypt(token))
        except InvalidToken:
            raise Unreadable from None
        if owner != app_guid:
            raise Unreadable
        found: dict[str, str] = credentials
        return found


def _fernet(secret: str) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
