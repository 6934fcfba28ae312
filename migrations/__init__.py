"""Alembic migrations of the service's database. None exists yet: there are no tables."""
