"""This package is the room of schedules: when they tick, what is kept of them, and what a tick asks for."""
