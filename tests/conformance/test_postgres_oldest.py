"""The store contract, on the oldest PostgreSQL that is here."""

from servers import running
from tests.conformance.on_servers import conform_postgres

TestOldestPostgres = conform_postgres(running.postgres_majors()[0])
