"""Segments in a URL's query: `filter`, `sort`, and where to go on."""

import math
from datetime import UTC, datetime

from flask import request

from app.answers import ApiError
from app.api.cursor import read_cursor, write_cursor
from app.api.describing import profile_shapes
from app.api.parameters import read_flag, read_limit
from app.api.refusals import invalid_parameter
from app.api.shapes import Json
from app.segments import reading
from app.segments.filters import InvalidFilter
from app.segments.matching import Place
from app.segments.segment import InvalidSort, Segment, make_segment
from app.services import services

SELECTING = ("filter", "sort")


def read_segment() -> Segment:
    """The wanted profiles. Raises ApiError (400), which says where the filter can't be understood."""
    given, shared = request.args, services()
    fields = reading.fields_of(shared.identity, shared.settings.user_id_property)
    try:
        return make_segment(given.get("filter"), given.get("sort"), fields, datetime.now(UTC))
    except InvalidFilter as error:
        raise invalid_parameter("filter", given["filter"], str(error), position=error.place) from None
    except InvalidSort as error:
        raise invalid_parameter("sort", given["sort"], str(error)) from None


def answer_page(segment: Segment) -> Json:
    """The page of profiles that the URL's query asks for; with `count=true`, how many there are on all pages."""
    limit, is_counted, store = read_limit(), read_flag("count"), services().identity
    found = reading.page(store, segment, limit + 1, _read_place(segment))
    following = _write_place(segment, found[limit - 1].place) if len(found) > limit else None
    counted = {"count": reading.count(store, segment)} if is_counted else {}
    return {"profiles": profile_shapes([one.profile for one in found[:limit]]), "next": following, **counted}


def read_last(segment: Segment) -> Place | None:
    """Where a broken export goes on: behind the profile `after`. Raises ApiError (404) if that has no place any more."""
    guid = request.args.get("after")
    if guid is None:
        return None
    place = reading.place_of(services().identity, segment, guid)
    if place is None:
        why = f"there is no profile {guid!r} any more to go on behind: begin again"
        raise ApiError("unknown_profile", 404, why, {"profile": guid})
    return place


def _write_place(segment: Segment, place: Place) -> str:
    value = "" if place.value is None else f"={place.value}"
    return write_cursor((value, place.guid) if segment.sort else (place.guid,))


def _read_place(segment: Segment) -> Place | None:
    after = request.args.get("after")
    if after is None:
        return None
    *values, guid = read_cursor(after, moments=0, guids=2 if segment.sort else 1)
    if not values or not values[0]:
        return Place(None, guid)
    text = values[0].removeprefix("=")
    return Place(_number(after, text) if segment.sort and segment.sort.is_number else text, guid)


def _number(after: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise invalid_parameter("after", after, "take it, and the same `sort`, from the answer before")
    return number
