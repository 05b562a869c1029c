"""This package runs jobs: Fetcher → Executor → Completer, with a heartbeat in its own thread."""
