"""This module makes text that strangers wrote fit to be shown: in a log, or on a terminal."""


def visible(text: str) -> str:
    """The text on one line without control characters, so that nobody else's words can drive a terminal."""
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )
