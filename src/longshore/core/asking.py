"""This module answers a misspelt keyword with the nearest one that exists; Python would only name the wrong one."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from longshore.core.errors import UnknownOption

P = ParamSpec("P")
R = TypeVar("R")


def spelled(of: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a function raise UnknownOption for a keyword that it does not take; `of` says whose option it would be."""

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        known = [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is not parameter.POSITIONAL_ONLY and name != "self"
        ]

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for word in kwargs:
                if word not in known:
                    raise UnknownOption(word, known, of=of)
            return function(*args, **kwargs)

        return call

    return wrap
