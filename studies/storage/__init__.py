"""Where trials are kept: SQLite and PostgreSQL, opened with care, shared, recovered, copied."""
