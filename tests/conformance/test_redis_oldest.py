"""The store contract, on the oldest server that is here: Redis 6.2 where its wheel is."""

from servers import running
from tests.conformance.on_servers import conform_redis

TestOldestRedis = conform_redis(running.redis_kinds()[0])
