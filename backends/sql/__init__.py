"""The default backend: SQLAlchemy Core on PostgreSQL, MariaDB, MySQL and SQLite."""
