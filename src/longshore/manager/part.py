"""This module is what the parts of the manager have in common; each part is one subject of its public methods."""

from collections.abc import Mapping
from typing import Any

from longshore.manager.portal import Portal
from longshore.manager.runtime import Runtime


class Part:
    """Some of the manager's methods, over what all of them share."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def connection_in(self, options: Mapping[str, Any]) -> object | None:
        """The connection that the caller gave."""
        return options.get("connection")

    @property
    def portal(self) -> Portal:
        """Where the blocking twins run."""
        return self.runtime.portal
