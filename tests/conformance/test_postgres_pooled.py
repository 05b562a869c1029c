"""The store contract, on PostgreSQL behind PgBouncer's transaction mode."""

from tests.conformance.on_servers import conform_pooled

TestPooledPostgres = conform_pooled()
