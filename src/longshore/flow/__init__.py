"""This package is about what holds jobs back: pauses and locks."""
