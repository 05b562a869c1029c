"""This package is about jobs that failed for the last time: what is kept of them, and what becomes of them."""
