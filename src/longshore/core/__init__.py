"""This package holds the words of Longshore: records, states and arithmetic. Nothing in it does I/O."""
