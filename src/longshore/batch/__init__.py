"""This package decides about batches: what waits, when it goes, with whom, what its results mean, how it is kept."""
