"""The store contract, on the newest Redis that is here."""

from servers import running
from tests.conformance.on_servers import conform_redis

TestRedis = conform_redis(running.newest("redis"))
