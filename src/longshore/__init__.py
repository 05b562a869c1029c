"""This package is a job queue: add jobs to a store, run them in workers, watch and mend them in one place."""

__all__: list[str] = []
