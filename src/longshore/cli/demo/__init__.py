"""This package is `longshore demo`: real work over real processes, one of them killed, every figure counted again."""
