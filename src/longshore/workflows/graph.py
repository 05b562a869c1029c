"""This module is a workflow laid out: each step once, by name, with the steps that it waits for. All is plain data."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from longshore.core.edges import Join, Missed, When
from longshore.core.workflow_errors import InvalidWorkflow


class Link(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One step that another one waits for."""

    parent: str
    on: When = When.SUCCESS
    missed: Missed = Missed.CANCEL


class Waits(msgspec.Struct, frozen=True, array_like=True):
    """A step, and all that it waits for."""

    name: str
    links: tuple[Link, ...] = ()
    join: Join = Join.ALL


def in_order(steps: Sequence[Waits]) -> list[int]:
    """Where the steps stand, parents before their children, else in their own order. Raises InvalidWorkflow for steps
    that wait for each other in a circle, naming them."""
    places = {step.name: place for place, step in enumerate(steps)}
    left = [sum(link.parent in places for link in step.links) for step in steps]
    children = _children(steps, places)
    free = deque(place for place, count in enumerate(left) if not count)
    order: list[int] = []
    while free:
        place = free.popleft()
        order.append(place)
        for child in children[place]:
            left[child] -= 1
            if not left[child]:
                free.append(child)
    if len(order) < len(steps):
        circle = _circle({steps[place].name: steps[place] for place, count in enumerate(left) if count})
        raise InvalidWorkflow(circle[0], f"waits for itself: {' → '.join(circle)}")
    return order


def refuse_unreachable(steps: Iterable[Waits]) -> None:
    """Raises InvalidWorkflow for a step that can never run: one that needs a step to succeed, and to fail as well.
    The steps stand in order."""
    listed = list(steps)
    forks = {link.parent for step in listed for link in step.links if link.on is When.FAILURE}
    if not forks:
        return
    needs: dict[str, frozenset[tuple[str, When]]] = {}
    for step in listed:
        ways = [_needed(link, needs, forks) for link in step.links]
        if not ways:
            needs[step.name] = frozenset()
            continue
        if step.join is Join.ALL:
            ways = [frozenset().union(*ways)]
        possible = [way for way in ways if _contradiction(way) is None]
        if not possible:
            twice = _contradiction(ways[0])
            problem = f"can never run: it needs that step '{twice}' succeeds and that it fails"
            raise InvalidWorkflow(step.name, f'{problem}; join="any" lets one of the ways to it be enough')
        needs[step.name] = frozenset.intersection(*possible)


def downstream(steps: Iterable[Waits], roots: Iterable[str]) -> set[str]:
    """All that wait for one of the roots, directly or not. The steps stand in order."""
    reached = set(roots)
    found: set[str] = set()
    for step in steps:
        if any(link.parent in reached for link in step.links):
            reached.add(step.name)
            found.add(step.name)
    return found


def last(steps: Sequence[Waits]) -> list[str]:
    """Those that a workflow comes to where nothing fails: no step on a path of failure, and none that another one
    follows but on such a path. The steps stand in order."""
    aside: set[str] = set()
    for step in steps:
        if step.links and all(link.on is When.FAILURE or link.parent in aside for link in step.links):
            aside.add(step.name)
    main = [step for step in steps if step.name not in aside]
    parents = {link.parent for step in main for link in step.links if link.on is not When.FAILURE}
    return [step.name for step in main if step.name not in parents]


def _children(steps: Sequence[Waits], places: Mapping[str, int]) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in steps]
    for place, step in enumerate(steps):
        for link in step.links:
            if link.parent in places:
                children[places[link.parent]].append(place)
    return children


def _circle(stuck: Mapping[str, Waits]) -> list[str]:
    """Names around one circle, the first again at the end, each before the one that waits for it."""
    path = [next(iter(stuck))]
    while True:
        parent = next(link.parent for link in stuck[path[-1]].links if link.parent in stuck)
        if parent in path:
            return [*path[path.index(parent) :], parent][::-1]
        path.append(parent)


def _needed(
    link: Link, needs: Mapping[str, frozenset[tuple[str, When]]], forks: set[str]
) -> frozenset[tuple[str, When]]:
    """What must have happened for this link to be met, as far as it is about steps that have a path of failure."""
    if link.on not in (When.SUCCESS, When.FAILURE):
        return frozenset()
    before = needs.get(link.parent, frozenset())
    return before | {(link.parent, link.on)} if link.parent in forks else before


def _contradiction(way: frozenset[tuple[str, When]]) -> str | None:
    for name, on in sorted(way):
        if on is When.SUCCESS and (name, When.FAILURE) in way:
            return name
    return None
