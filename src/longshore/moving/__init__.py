"""This package moves jobs from one store to another, whatever the two are, so that none is lost and none runs twice."""
