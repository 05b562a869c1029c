"""The store contract, behind Redis Sentinel."""

from tests.conformance.on_servers import conform_sentinel

TestSentinel = conform_sentinel()
