"""This module says how much of everything the measures use."""

from typing import NamedTuple


class Sizes(NamedTuple):
    """Jobs and seconds; `scaled` makes a quick look of them."""

    drain: int = 100_000
    limited: int = 50_000
    steps: int = 100_000
    """Of workflows."""
    one: int = 5_000
    enqueue: int = 50_000
    io: int = 20_000
    threads: int = 40_000
    latency: int = 300
    items: int = 1_000_000
    """Through a queue of one process."""
    few: int = 20_000
    """Waiting, against `backlog`."""
    backlog: int = 1_000_000
    history: int = 1_000_000
    memory: int = 1_000_000
    idle_s: float = 30.0
    rest_s: float = 5.0
    """For a worker to come to rest before it counts as idle."""

    def scaled(self, scale: float) -> "Sizes":
        """All sizes times `scale`, none below what still shows that it works."""
        jobs = {
            name: max(int(size * scale), 200) for name, size in self._asdict().items() if name[-2:] != "_s"
        }
        return Sizes(**jobs, idle_s=max(self.idle_s * scale, 0.5), rest_s=max(self.rest_s * scale, 0.2))
