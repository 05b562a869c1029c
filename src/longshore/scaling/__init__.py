"""This package runs several worker processes as one, and decides how many there should be."""
