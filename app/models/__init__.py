"""The app's own tables (Flask-SQLAlchemy). Events are not among them: those are the backend's."""

from app.models.base import begin_writing, db, newest
from app.models.dead_letter import DeadLetter
from app.models.identity import Claim, Deletion, Identifier, Merge, Profile, Repoint, Suppression
from app.models.key import ApiKey
from app.models.loading import Loading, Lookup
from app.models.properties import EVENTS_APP, App, Property, PropertyRule, Refresh, Source, Trait

__all__ = [
    "EVENTS_APP",
    "ApiKey",
    "App",
    "Claim",
    "DeadLetter",
    "Deletion",
    "Identifier",
    "Loading",
    "Lookup",
    "Merge",
    "Profile",
    "Property",
    "PropertyRule",
    "Refresh",
    "Repoint",
    "Source",
    "Suppression",
    "Trait",
    "begin_writing",
    "db",
    "newest",
]
