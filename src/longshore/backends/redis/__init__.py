"""This package is the Redis store: one script per verb, on a server alone, behind Sentinels, or in a Cluster."""
