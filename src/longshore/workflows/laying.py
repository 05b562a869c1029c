"""This module lays a workflow out: what was written nested, by names and by lists, becomes steps with links.

    walk (each step once, with its area) → names → links by name → links of what stands nested, from the inside out

What cannot run is refused here, naming the step: nothing was stored then.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from longshore.core.edges import Join, Missed, When
from longshore.core.workflow_errors import InvalidWorkflow, UnknownStep
from longshore.workflows.graph import Link, Waits, in_order, refuse_unreachable
from longshore.workflows.reading import is_list, read_part
from longshore.workflows.spec import Part, Step, Workflow

WHEN: Mapping[str, When] = {
    "success": When.SUCCESS,
    "failure": When.FAILURE,
    "always": When.ALWAYS,
    "over": When.OVER,
}


class Inherited(msgspec.Struct, frozen=True):
    """What a step has from the workflows that it stands in."""

    prefix: str = ""
    metadata: dict[str, Any] = {}
    correlation_id: str | None = None
    tags: tuple[str, ...] = ()

    def within(self, workflow: Workflow, *, is_outermost: bool) -> "Inherited":
        """What the steps of a workflow that stands here have."""
        prefix = self.prefix
        if not is_outermost and workflow.id is not None:
            prefix = f"{prefix}{workflow.id}/"
        return Inherited(
            prefix,
            {**self.metadata, **workflow.metadata},
            workflow.correlation_id or self.correlation_id,
            tuple(dict.fromkeys([*self.tags, *workflow.tags])),
        )


class Laid(msgspec.Struct, frozen=True):
    """A step in its place."""

    step: Step
    inherited: Inherited
    waits: Waits
    gathers: bool = False
    """Whether it follows a list of steps, however many stand in it."""


def lay(workflow: Workflow, *, known: Collection[str] = (), root: str | None = None) -> list[Laid]:
    """The steps, parents before their children. `known` are steps of the same workflow that are there already, which
    may be waited for; those that wait for nothing wait for `root`, where one of them is given. Raises InvalidWorkflow,
    and what reading raises."""
    plan = _Plan(known)
    plan.walk_workflow(workflow, Inherited().within(workflow, is_outermost=True))
    plan.name_all()
    plan.link_all(root)
    if not plan.drafts:
        raise InvalidWorkflow(None, "has no steps")
    laid = [Laid(draft.step, draft.inherited, draft.waits(), draft.gathers) for draft in plan.drafts]
    ordered = [laid[place] for place in in_order([each.waits for each in laid])]
    refuse_unreachable(each.waits for each in ordered)
    return ordered


class _Draft:
    """A step while its links are gathered."""

    def __init__(self, step: Step, inherited: Inherited) -> None:
        self.step = step
        self.inherited = inherited
        self.name = f"{inherited.prefix}{step.called}"
        self.links: dict[str | _Draft, tuple[When, Missed]] = {}
        self.join = Join.ANY if step.join == "any" else Join.ALL
        self.gathers = False

    def link(self, parent: "_Draft | str", on: When, *, is_said: bool) -> None:
        """One more step that it waits for; `is_said` where the user wrote just that. Raises InvalidWorkflow."""
        how = self._how(on)
        older = self.links.get(parent)
        if older is not None and (is_said or older != how):
            named = parent if isinstance(parent, str) else parent.name
            raise InvalidWorkflow(
                self.name,
                f"has step '{named}' twice before it; say it once, and on_complete (after={{'{named}': 'always'}}) "
                "where success and failure both will do",
            )
        self.links[parent] = how

    def _how(self, on: When) -> tuple[When, Missed]:
        wanted = self.step.on_failed_dependency
        if on is not When.SUCCESS:
            return on, Missed.CANCEL
        if wanted == "run":
            return When.ALWAYS, Missed.CANCEL
        return on, Missed.SKIP if wanted == "skip" else Missed.CANCEL

    def waits(self) -> Waits:
        links = tuple(
            Link(parent if isinstance(parent, str) else parent.name, on, missed)
            for parent, (on, missed) in self.links.items()
        )
        return Waits(self.name, links, self.join)


class _Area:
    """The steps of one part, each with whether it stands on the main path: not on one of failure."""

    def __init__(self, drafts: Mapping[_Draft, bool] | None = None) -> None:
        self.drafts: dict[_Draft, bool] = dict(drafts or {})

    def add(self, other: "_Area", *, is_main: bool = True) -> None:
        for draft, was_main in other.drafts.items():
            self.drafts[draft] = self.drafts.get(draft, False) or (was_main and is_main)

    def main(self) -> list[_Draft]:
        return [draft for draft, is_main in self.drafts.items() if is_main]

    def entries(self) -> list[_Draft]:
        """Those that wait for none of the others."""
        return [draft for draft in self.drafts if not draft.links.keys() & self.drafts.keys()]

    def exits(self) -> list[_Draft]:
        """Those of the main path that no other one there follows."""
        main = self.main()
        parents = {
            parent for draft in main for parent, (on, _) in draft.links.items() if on is not When.FAILURE
        }
        return [draft for draft in main if draft not in parents]

    def leaves(self) -> list[_Draft]:
        """Those that no other one follows."""
        parents = {parent for draft in self.drafts for parent in draft.links}
        return [draft for draft in self.drafts if draft not in parents]


class _Plan:
    """The whole workflow while it is laid out."""

    def __init__(self, known: Collection[str]) -> None:
        self.drafts: list[_Draft] = []
        self._known = frozenset(known)
        self._areas: dict[int, tuple[Part, _Area]] = {}
        """By the identity of a part, which is kept so that no other part gets the same."""
        self._by_name: dict[str, _Draft] = {}
        self._shared: dict[str, int] = {}
        """Names of tasks by which several steps could be meant, and how many."""
        self._named_links: list[Callable[[], None]] = []
        self._nested_links: list[Callable[[], None]] = []

    # ------------------------------------------------------------------------------------------------------- walking

    def walk_workflow(self, workflow: Workflow, inherited: Inherited) -> _Area:
        """All parts of a workflow, and what follows it."""
        area = _Area()
        before, gathers = _Area(), False
        for part in workflow.steps:
            each = self._walk(part, inherited)
            if each is None:
                raise InvalidWorkflow(str(part), "is only named where it shall stand itself; give a Step")
            if workflow.in_order:
                connect = _connected(before, each, _when_all_succeeded, gathers=gathers)
                self._nested_links.append(connect)
            if each.drafts or not before.drafts:  # an empty list in a chain is passed over
                before, gathers = each, is_list(part)
            area.add(each)
        whole = _Area(area.drafts)
        follows = (
            (workflow.on_success, _when_all_succeeded),
            (workflow.on_complete, _when_all_over),
            (workflow.on_failure, _when_one_failed),
        )
        for parts, how in follows:
            for part in parts:
                each = self._walk(part, inherited)
                if each is None:
                    raise InvalidWorkflow(
                        str(part), "is only named in what follows a whole workflow; give a Step"
                    )
                self._nested_links.append(_connected(area, each, how, gathers=is_list(workflow)))
                whole.add(each, is_main=how is not _when_one_failed)
        return whole

    def _walk(self, part: Part, inherited: Inherited) -> _Area | None:
        """The area of a part; None for a name."""
        if isinstance(part, str):
            return None
        seen = self._areas.get(id(part))
        if seen is not None:
            return seen[1]
        read = read_part(part)
        assert not isinstance(read, str)
        if isinstance(read, Workflow):
            area = self.walk_workflow(read, inherited.within(read, is_outermost=False))
        else:
            area = self._walk_step(part, read, inherited)
        self._areas[id(part)] = part, area
        return area

    def _walk_step(self, part: Part, step: Step, inherited: Inherited) -> _Area:
        draft = _Draft(step, inherited)
        self.drafts.append(draft)
        area = _Area({draft: True})
        self._areas[id(part)] = self._areas[id(step)] = part, area
        for reference, outcome in step.after.items():
            self._named_links.append(self._linked(draft, reference, WHEN[outcome]))
        follows = (
            (step.on_success, When.SUCCESS),
            (step.on_failure, When.FAILURE),
            (step.on_complete, When.ALWAYS),
        )
        for parts, on in follows:
            for each in parts:
                child = self._walk(each, inherited)
                if child is None:
                    self._named_links.append(self._leading(draft, str(each), on))
                else:
                    self._nested_links.append(_follows(draft, child, on))
                    area.add(child, is_main=on is not When.FAILURE)
        return area

    # -------------------------------------------------------------------------------------------------------- naming

    def name_all(self) -> None:
        """Gives each step its name: its id, else its task's, with a number where others of that task came before."""
        for draft in self.drafts:
            if draft.step.id is not None:
                if draft.name in self._by_name or draft.name in self._known:
                    raise InvalidWorkflow(draft.name, "is there twice; give each an id= of its own")
                self._by_name[draft.name] = draft
        for draft in self.drafts:
            if draft.step.id is None:
                self._name(draft)

    def _name(self, draft: _Draft) -> None:
        plain = draft.name
        while draft.name in self._by_name or draft.name in self._known:
            number = self._shared[plain] = self._shared.get(plain, 1) + 1
            draft.name = f"{plain}-{number}"
        self._by_name[draft.name] = draft

    def _find(self, of: _Draft, reference: str | Step) -> _Draft | str:
        if isinstance(reference, Step):
            found = self._areas.get(id(reference))
            if found is None:
                raise InvalidWorkflow(of.name, f"waits for {reference!r}, which is no part of the workflow")
            return next(iter(found[1].drafts))
        for name in (f"{of.inherited.prefix}{reference}", reference):
            if name in self._shared and self._by_name.get(name, of).step.id is None:
                raise InvalidWorkflow(
                    of.name, f"names step '{name}', and there are several; give each an id="
                )
            if name in self._by_name:
                return self._by_name[name]
            if name in self._known:
                return name
        raise UnknownStep(of.name, str(reference), [*self._by_name, *self._known])

    # ------------------------------------------------------------------------------------------------------- linking

    def link_all(self, root: str | None) -> None:
        """Links by name first, then what stands nested: where a part begins is known when all within it is linked."""
        for link in (*self._named_links, *self._nested_links):
            link()
        for draft in self.drafts:
            if root is not None and not draft.links:
                draft.link(root, When.SUCCESS, is_said=False)

    def _linked(self, draft: _Draft, reference: str | Step, on: When) -> Callable[[], None]:
        return lambda: draft.link(self._find(draft, reference), on, is_said=True)

    def _leading(self, draft: _Draft, name: str, on: When) -> Callable[[], None]:
        def link() -> None:
            child = self._find(draft, name)
            if isinstance(child, str):
                raise InvalidWorkflow(draft.name, f"is followed by '{child}', which is there already")
            child.link(draft, on, is_said=True)

        return link


def _follows(parent: _Draft, child: _Area, on: When) -> Callable[[], None]:
    def link() -> None:
        for entry in child.entries():
            entry.link(parent, on, is_said=True)

    return link


def _connected(
    before: _Area, area: _Area, connect: Callable[[_Area, _Draft], None], *, gathers: bool
) -> Callable[[], None]:
    def link() -> None:
        for entry in area.entries():
            connect(before, entry)
            entry.gathers = entry.gathers or gathers

    return link


def _when_all_succeeded(before: _Area, entry: _Draft) -> None:
    for parent in before.exits():
        entry.link(parent, When.SUCCESS, is_said=False)


def _when_all_over(before: _Area, entry: _Draft) -> None:
    for parent in before.leaves():
        entry.link(parent, When.OVER, is_said=False)


def _when_one_failed(before: _Area, entry: _Draft) -> None:
    if entry.links:
        raise InvalidWorkflow(
            entry.name,
            "waits for other steps than those whose first failure it is for; let a step after it wait",
        )
    if not before.drafts:
        raise InvalidWorkflow(
            entry.name, "is for the first failure of steps, and there are none; leave it out"
        )
    entry.join = Join.ANY
    for parent in before.main():
        entry.link(parent, When.FAILURE, is_said=False)
