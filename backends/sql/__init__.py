"""The default backend: SQLAlchemy Core on PostgreSQL and SQLite."""
