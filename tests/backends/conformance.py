"""The suite that every backend passes, by the name that our own tests know it; it is packaged for other people's."""

from backends.conformance import BackendConformance
from backends.conformance.making import an_event, at, at_once, guids, put_in_place

__all__ = ["BackendConformance", "an_event", "at", "at_once", "guids", "put_in_place"]
