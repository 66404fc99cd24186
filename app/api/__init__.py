"""Management and reading over HTTP: the blueprint that puts the modules of this folder under /api/v1."""

import sqlalchemy as sa
from flask import Blueprint, Response, current_app

from app.api import apps, dead_letters, events, exports, keys, profiles, property_rules, sources, status, suppressions
from app.api.refusals import refuse_unreadable_path
from backends.errors import BackendUnavailable
from backends.sql.engine import is_outage

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
blueprint.record_once(lambda state: setattr(state.app.url_map, "strict_slashes", False))
blueprint.url_value_preprocessor(refuse_unreadable_path)
exports.register(blueprint)
for part in (events, profiles, apps, sources, property_rules, keys, dead_letters, status, suppressions):
    blueprint.register_blueprint(part.routes)


@blueprint.errorhandler(sa.exc.DBAPIError)
def answer_database_error(error: sa.exc.DBAPIError) -> Response:
    """A database that is away is an outage, whoever asked it; anything else is a bug."""
    if not is_outage(error):
        raise error
    return current_app.handle_user_exception(BackendUnavailable("the app's database is away"))  # type: ignore[return-value]
