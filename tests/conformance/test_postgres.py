"""The store contract, on the newest PostgreSQL that is here."""

from servers import running
from tests.conformance.on_servers import conform_postgres

TestPostgres = conform_postgres(running.postgres_majors()[-1])
