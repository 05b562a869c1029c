"""The store contract, on the newest Valkey that is here."""

from servers import running
from tests.conformance.on_servers import conform_redis

TestValkey = conform_redis(running.newest("valkey"))
