"""The SDKs whose stories are told, how each is used, what it goes through, and what has to be stored in the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tests.sdks.faults import EACH, EVERY, LOST, LOST_OR_BUSY, Fault

Language = Literal["python", "python-old", "node", "browser"]


class Told(NamedTuple):
    """An event as it has to be stored: its type, and which of the visitor's ids are its userId and its anonymousId."""

    type: str
    user: Literal["user", None] = None
    anonymous: Literal["user", "device", None] = None


@dataclass(frozen=True)
class Sdk:
    """One package, used in one way, sent through these faults."""

    package: str
    language: Language
    script: str
    told: Mapping[str, Told]
    mode: str = ""
    faults: tuple[Fault, ...] = EVERY
    gives_up: bool = False
    """Whether these faults make it give events up: what it says it gave up may be missing. No other SDK may give up any."""
    repeats: bool = True
    """Whether it sends again what was not answered. If not, the answers it loses make it report what is stored as given up."""
    leaves: bool = False
    """Whether the page is left while the last step is under way; else it stays until all is said."""
    tells_times: bool = True
    """Whether the app can say when something happened."""
    nameless: frozenset[str] = frozenset()
    """Steps that are sent with neither an id nor a time: what comes twice is stored twice. They only update a profile."""

    @property
    def name(self) -> str:
        """For the test's name."""
        parts = (self.package, self.language, self.mode, "every fault" if self.gives_up else "")
        return " ".join(part for part in parts if part)


DEVICE = (None, "device")
USER = ("user", None)
BOTH = ("user", "device")
EITHER = (None, "user")
"""Of an id of which nobody says what kind it is."""

SEGMENT = {
    "home": Told("page", *DEVICE),
    "pricing": Told("page", *DEVICE),
    "sign-in": Told("identify", *BOTH),
    "alias": Told("alias", *BOTH),
    "purchase": Told("purchase", *USER),
    "thanks": Told("page", *USER),
}
SEGMENT_BROWSER = {**SEGMENT, "purchase": Told("purchase", *BOTH), "thanks": Told("page", *BOTH)}

JITSU = {step: told for step, told in SEGMENT_BROWSER.items() if step != "alias"}

GROUPAROO = JITSU

POSTHOG = {
    "home": Told("$pageview", *DEVICE),
    "pricing": Told("$pageview", *DEVICE),
    "alias": Told("alias", *BOTH),
    "sign-in": Told("identify", *EITHER),
    "purchase": Told("purchase", *EITHER),
    "thanks": Told("$pageview", *EITHER),
}
POSTHOG_NODE = {**POSTHOG, "sign-in": Told("identify", *USER)}
POSTHOG_BROWSER = {
    "home": Told("$pageview", *DEVICE),
    "pricing": Told("$pageview", *DEVICE),
    "sign-in": Told("identify", *BOTH),
    "purchase": Told("purchase", *BOTH),
    "thanks": Told("$pageview", *BOTH),
}

MIXPANEL_PYTHON = {
    "home": Told("page", *DEVICE),
    "pricing": Told("page", *DEVICE),
    "sign-in": Told("sign-in", *BOTH),
    "people": Told("identify", *EITHER),
    "purchase": Told("purchase", *BOTH),
    "thanks": Told("page", *BOTH),
}
MIXPANEL_NODE = {
    "home": Told("page", *DEVICE),
    "pricing": Told("page", *DEVICE),
    "alias": Told("alias", *BOTH),
    "people": Told("identify", *EITHER),
    "purchase": Told("purchase", *EITHER),
    "thanks": Told("page", *EITHER),
}
MIXPANEL_BROWSER = {
    "home": Told("page", *DEVICE),
    "pricing": Told("page", *DEVICE),
    "identify": Told("identify", *BOTH),
    "people": Told("identify", *BOTH),
    "set_once": Told("identify", *BOTH),
    "purchase": Told("purchase", *BOTH),
    "thanks": Told("page", *BOTH),
}

AMPLITUDE = {
    "home": Told("page", *DEVICE),
    "pricing": Told("page", *DEVICE),
    "sign-in": Told("identify", *BOTH),
    "purchase": Told("purchase", *USER),
    "thanks": Told("page", *USER),
}
AMPLITUDE_NODE = {**AMPLITUDE, "purchase": Told("purchase", *BOTH), "thanks": Told("page", *BOTH)}
AMPLITUDE_BROWSER = AMPLITUDE_NODE | {
    "session_start": Told("session_start", *DEVICE),
    "identify": Told("identify", *DEVICE),
    "[Amplitude] Page Viewed": Told("[Amplitude] Page Viewed", *DEVICE),
}

SNOWPLOW = {
    "home": Told("page_view", *DEVICE),
    "pricing": Told("page_view", *DEVICE),
    "sign-in": Told("sign-in", *BOTH),
    "purchase": Told("purchase", *BOTH),
    "thanks": Told("page_view", *BOTH),
}

PYTHON = [
    Sdk("segment-analytics-python", "python", "segment_family.py", SEGMENT, "segment.analytics.client"),
    Sdk("analytics-python", "python-old", "segment_family.py", SEGMENT, "analytics.client"),
    Sdk("rudder-sdk-python", "python", "segment_family.py", SEGMENT, "rudderstack.analytics.client"),
    Sdk("posthog", "python", "posthog_story.py", POSTHOG, "v0"),
    Sdk("posthog", "python", "posthog_story.py", POSTHOG, "v1"),
    Sdk("mixpanel", "python", "mixpanel_story.py", MIXPANEL_PYTHON, faults=LOST, repeats=False),
    Sdk("mixpanel", "python", "mixpanel_story.py", MIXPANEL_PYTHON, faults=EACH, gives_up=True),
    Sdk("amplitude-analytics", "python", "amplitude_story.py", AMPLITUDE, "http", faults=LOST_OR_BUSY, repeats=False),
    Sdk("amplitude-analytics", "python", "amplitude_story.py", AMPLITUDE, "batch", faults=EACH, gives_up=True),
    Sdk("snowplow-tracker", "python", "snowplow_story.py", SNOWPLOW, "post"),
    Sdk("snowplow-tracker", "python", "snowplow_story.py", SNOWPLOW, "get"),
]
NODE = [
    Sdk("@segment/analytics-node", "node", "segment.mjs", SEGMENT),
    Sdk("analytics-node", "node", "segment_family.mjs", SEGMENT, "analytics-node"),
    Sdk("@rudderstack/rudder-sdk-node", "node", "segment_family.mjs", SEGMENT, "@rudderstack/rudder-sdk-node"),
    Sdk("posthog-node", "node", "posthog.mjs", POSTHOG_NODE, "v0"),
    Sdk("posthog-node", "node", "posthog.mjs", POSTHOG_NODE, "v1"),
    Sdk("mixpanel", "node", "mixpanel.mjs", MIXPANEL_NODE, "get", faults=LOST, repeats=False),
    Sdk("mixpanel", "node", "mixpanel.mjs", MIXPANEL_NODE, "batch", faults=LOST, repeats=False),
    Sdk("mixpanel", "node", "mixpanel.mjs", MIXPANEL_NODE, "get", faults=EACH, gives_up=True),
    Sdk("@amplitude/analytics-node", "node", "amplitude.mjs", AMPLITUDE_NODE, "http", faults=LOST_OR_BUSY, repeats=False),
    Sdk("@amplitude/analytics-node", "node", "amplitude.mjs", AMPLITUDE_NODE, "batch", faults=EACH, gives_up=True),
    Sdk("@jitsu/js", "node", "jitsu.mjs", JITSU, faults=LOST, repeats=False, tells_times=False),
    Sdk("@jitsu/js", "node", "jitsu.mjs", JITSU, faults=EACH, gives_up=True, tells_times=False),
    Sdk("@snowplow/node-tracker", "node", "snowplow.mjs", SNOWPLOW, "post"),
    Sdk("@snowplow/node-tracker", "node", "snowplow.mjs", SNOWPLOW, "get"),
]
BROWSER = [
    Sdk("@grouparoo/client-web", "browser", "grouparoo.mjs", GROUPAROO),
    Sdk("@segment/analytics-next", "browser", "segment.mjs", SEGMENT_BROWSER, "inline", leaves=True),
    Sdk("@segment/analytics-next", "browser", "segment.mjs", SEGMENT_BROWSER, "served", leaves=True),
    Sdk("@segment/analytics-next", "browser", "segment.mjs", SEGMENT_BROWSER, "batching", leaves=True),
    Sdk("@rudderstack/analytics-js", "browser", "rudderstack.mjs", SEGMENT_BROWSER, leaves=True),
    Sdk("posthog-js", "browser", "posthog.mjs", POSTHOG_BROWSER, "current", leaves=True),
    Sdk("posthog-js-1.130", "browser", "posthog.mjs", POSTHOG_BROWSER, "old", leaves=True),
    Sdk(
        "mixpanel-browser",
        "browser",
        "mixpanel.mjs",
        MIXPANEL_BROWSER,
        faults=LOST_OR_BUSY,
        repeats=False,
        leaves=True,
        nameless=frozenset({"people", "set_once"}),
    ),
    Sdk("@amplitude/analytics-browser", "browser", "amplitude.mjs", AMPLITUDE_BROWSER, faults=LOST_OR_BUSY, repeats=False),
    Sdk("@jitsu/js", "browser", "jitsu.mjs", JITSU, faults=LOST, repeats=False, leaves=True, tells_times=False),
    Sdk("@snowplow/browser-tracker", "browser", "snowplow.mjs", SNOWPLOW, leaves=True),
]
SDKS = [*BROWSER, *PYTHON, *NODE]
"""The slowest first."""
