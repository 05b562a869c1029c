"""This package is the store contract: the verbs, the commands that go in and the replies that come back."""
