"""This module is how an attempt ends that sleeps or waits for a signal: unharmed, to go on from what it recorded.

`Suspended` is no Exception, so that `except Exception` in a task does not take it for a failure. Tasks still can get in
its way, with `except BaseException` or `gather(return_exceptions=True)`; so whoever ends an attempt asks here whether
an error comes of one, and remembers on its own that the attempt was suspended.
"""

CHAIN_LIMIT = 50
"""Errors in a chain of causes that are looked at: one may bite its own tail."""


class Suspended(BaseException):
    """Ends an attempt that waits; never caught by a task on purpose."""

    code = "suspended"

    def __init__(self, seconds: float, *, wants_signal: bool = True) -> None:
        self.seconds = seconds
        """Until it shall run again, at the latest."""
        self.wants_signal = wants_signal
        """Whether a signal may bring it back before."""
        super().__init__(f"Suspended for {seconds:g} s.")


def suspension_of(error: BaseException) -> Suspended | None:
    """The suspension that this error is, or holds with nothing else (a `TaskGroup` puts those of its children into a
    group), or comes of (a `finally` that raised on the way); None for an error of the task's own."""
    seen = 0
    inner: BaseException | None = error
    while inner is not None and seen < CHAIN_LIMIT:
        if isinstance(inner, Suspended):
            return inner
        if isinstance(inner, BaseExceptionGroup):
            return _of_group(inner)
        inner = inner.__cause__ or inner.__context__
        seen += 1
    return None


def _of_group(group: BaseExceptionGroup[BaseException]) -> Suspended | None:
    found = [suspension_of(each) for each in group.exceptions]
    suspended = [each for each in found if each is not None]
    return min(suspended, key=lambda each: each.seconds) if len(suspended) == len(found) else None
