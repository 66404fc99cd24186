"""Describing profiles: their shapes, with their properties, read for all of them at once."""

from collections.abc import Sequence

from app.api.shapes import Json, profile_shape
from app.identity.profiles import ProfileRecord
from app.properties.reading import properties_of
from app.services import services


def profile_shapes(found: Sequence[ProfileRecord]) -> list[Json]:
    """The profiles with their identifiers and properties, in their order."""
    properties = properties_of(services().identity, [profile.guid for profile in found])
    return [profile_shape(profile, properties[profile.guid]) for profile in found]
