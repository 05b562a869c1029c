"""This module spells fairness: whose turn it is, and who gets more turns than others."""

from collections.abc import Callable, Mapping
from typing import Any

from longshore.core.errors import InvalidOption
from longshore.core.picking import By, Pick, key_text
from longshore.core.rules import FairKey

Weights = Mapping[str, float] | Callable[[str], float]

LEAST_WEIGHT, MOST_WEIGHT = 0.001, 1000.0
"""Beyond them one key would never get a turn, or nobody else would."""


class Turns:
    """Jobs of one queue and priority take turns by a key that is picked from their data."""

    __slots__ = ("pick", "weights")

    def __init__(self, by: By, weights: Weights | None = None) -> None:
        """Raises InvalidOption."""
        self.pick: Pick = Pick("fair_by", by)
        self.weights: Weights = {} if weights is None else check_weights(weights)

    def key_of(self, data: Any) -> FairKey | None:
        """Whose turn a job with this data takes; None where the data names nobody. Raises InvalidOption for a weight
        that makes no sense, which only a function can give."""
        key = key_text(self.pick(data))
        if not key:
            return None
        weight = self.weights(key) if callable(self.weights) else self.weights.get(key, 1.0)
        return FairKey(key, _weight(weight))


def check_weights(weights: Any) -> Weights:
    """The weights, if that is what they are. Raises InvalidOption."""
    if callable(weights):
        return weights  # type: ignore[no-any-return]  # what it gives is looked at when it gives it
    if not isinstance(weights, Mapping):
        raise InvalidOption(
            "fair_weights", weights, 'a dict of weights by key, such as {"acme": 3}, or a function'
        )
    return {str(key): _weight(weight) for key, weight in weights.items()}


def _weight(weight: Any) -> float:
    if (
        isinstance(weight, bool)
        or not isinstance(weight, int | float)
        or not LEAST_WEIGHT <= weight <= MOST_WEIGHT
    ):
        raise InvalidOption(
            "fair_weights", weight, f"a weight from {LEAST_WEIGHT} to {MOST_WEIGHT:g}; others have 1"
        )
    return float(weight)
