"""Alembic's revisions of the app's own tables. The backend looks after its own in setup()."""
