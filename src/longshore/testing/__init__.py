"""This package is for people who test: their jobs, their handlers, or a store of their own."""
