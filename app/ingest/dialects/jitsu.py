"""Jitsu's SDK for browsers and Node: Segment's language, one event a request (09-sdks)."""

from app.ingest.segment_spec import CALLS, SegmentSpec


class Jitsu(SegmentSpec):
    """The key is in the header X-Write-Key, before the ':'; the body has it without its secret, which is none."""

    posts = {f"/api/s/{above}{kind}": kind for above in ("", "s2s/") for kind in CALLS}


DIALECT = Jitsu()
