"""The store contract, on a Redis Cluster."""

from tests.conformance.on_servers import conform_cluster

TestCluster = conform_cluster()
