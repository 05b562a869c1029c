"""This package is the manager: the one object through which an application reaches its queues and jobs."""
