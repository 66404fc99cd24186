"""The pixel: an image whose address tells of an event, for mails and pages without scripts (Segment's Pixel API)."""

import base64
from collections.abc import Sequence

from flask import Response

from app.answers import ApiError
from app.ingest.dialect import Call, Result
from app.ingest.dialects.segment import Segment
from app.ingest.segment_spec import CALLS

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""One transparent dot."""


def gif(status: int = 200) -> Response:
    """The image, which nobody may keep: then the next look would tell nothing."""
    return Response(GIF, status, content_type="image/gif", headers={"Cache-Control": "no-store"})


class Pixel(Segment):
    """`data` is an event as Segment's, as JSON or Base64 of it, with the key as `writeKey`."""

    posts = {}
    gets = {f"/v1/pixel/{kind}": kind for kind in CALLS}

    def success(self, call: Call, results: Sequence[Result]) -> Response:
        """The image."""
        return gif()

    def refusal(self, error: ApiError, call: Call | None) -> Response:
        """The image too, for a mail shall show no hole: the status has to do."""
        return gif(error.status)

    def register(self, blueprint: object) -> None:
        """Nothing more."""


DIALECT = Pixel()
