"""This package is Longshore: background work that is kept safe and gets done, from a notebook to a fleet."""

__all__: list[str] = []
