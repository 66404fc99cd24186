"""Sends events to Grouparoo Events, from any Python program: `init` once, then `track`."""

from grouparoo.client import Client
from grouparoo.default import flush, identify, init, page, shutdown, track
from grouparoo.problem import Problem
from grouparoo.version import VERSION as __version__

__all__ = ["Client", "Problem", "__version__", "flush", "identify", "init", "page", "shutdown", "track"]
