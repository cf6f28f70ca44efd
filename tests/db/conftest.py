"""Every test of this folder has a PostgreSQL database of its own."""

from tests.postgres import database, database_server, database_url, empty_database_url, valkey, valkey_server

__all__ = ["database", "database_server", "database_url", "empty_database_url", "valkey", "valkey_server"]
