"""Jitsu's SDK for browsers and Node: Segment's language, one event a request (09-sdks)."""

from app.ingest.dialect import Call
from app.ingest.segment_spec import CALLS, SegmentSpec


class Jitsu(SegmentSpec):
    """The key is in the header X-Write-Key, before the ':'."""

    posts = {f"/api/s/{above}{kind}": kind for above in ("", "s2s/") for kind in CALLS}

    def key(self, call: Call) -> str | None:
        """The body has it too, with stars for what is behind the ':'."""
        return None


DIALECT = Jitsu()
