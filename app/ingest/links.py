"""Links: whose an event is, where SDKs do not tell a user's id from a device's (03-identity, "Alias or link")."""

from typing import Any, NamedTuple

from app.identity.links import LINKED


class Ids(NamedTuple):
    """A userId, an anonymousId, and whether the anonymousId that equals the userId is that user's too."""

    user: Any
    anonymous: Any
    is_link: bool = False

    def of_event(self, data: dict[str, Any]) -> dict[str, Any]:
        """The event's ids; what they link is noted in its data."""
        if self.is_link:
            data[LINKED] = self.user
        return {"userId": self.user, "anonymousId": self.anonymous}


def linked(user: Any, other: Any) -> Ids:
    """This user, and the other id of theirs; both may stand alone elsewhere. An id with itself links nothing."""
    return Ids(None, other) if other == user else Ids(user, other, is_link=True)
