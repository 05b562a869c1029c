"""This package is for people who test: their jobs, their handlers, or a store of their own."""

from longshore.core.clock import ManualClock

__all__ = ["ManualClock"]
