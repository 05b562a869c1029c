"""This module shows a workflow: to people as a Mermaid diagram, to programs as plain data that can be read back."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from longshore.core.edges import Join, Missed, When
from longshore.core.names import check_tags
from longshore.core.payload import decode, encode
from longshore.core.retry import Retry
from longshore.core.states import State
from longshore.workflows.graph import Link
from longshore.workflows.laying import Inherited, Laid, lay
from longshore.workflows.spec import Workflow

ARROWS: Mapping[When, str] = {
    When.SUCCESS: "-->",
    When.FAILURE: "-. on failure .->",
    When.ALWAYS: "-- always -->",
    When.OVER: "-- when over -->",
}
COLOURS: Mapping[State, str] = {
    State.COMPLETED: "#bbf7d0",
    State.FAILED: "#fecaca",
    State.RUNNING: "#bae6fd",
    State.RETRYING: "#fef08a",
    State.CANCELLED: "#e5e7eb",
    State.SKIPPED: "#e5e7eb",
}


class Shown(msgspec.Struct, frozen=True):
    """A step as a diagram shows it."""

    name: str
    queue: str
    task: str
    links: tuple[Link, ...]
    join: Join = Join.ALL
    when: str | None = None
    state: State | None = None


def mermaid(steps: Iterable[Shown]) -> str:
    """A flowchart for GitHub, MkDocs and other places that draw Mermaid; with colours where states are given."""
    listed = list(steps)
    numbers = {step.name: f"s{number}" for number, step in enumerate(listed)}
    lines = ["flowchart TD"]
    for step in listed:
        place = f"{step.queue}/{step.task}" if step.name != step.task else step.queue
        remarks = [place]
        remarks += [f"when {step.when}"] if step.when else []
        remarks += ["any one is enough"] if step.join is Join.ANY else []
        label = "".join(
            [_quoted(step.name), *(f"<br><small>{_quoted(remark)}</small>" for remark in remarks)]
        )
        lines.append(f'    {numbers[step.name]}["{label}"]')
    for step in listed:
        lines += [
            f"    {numbers[link.parent]} {ARROWS[link.on]} {numbers[step.name]}"
            for link in step.links
            if link.parent in numbers
        ]
    for state, colour in COLOURS.items():
        of = [numbers[step.name] for step in listed if step.state is state]
        if of:
            lines += [
                f"    classDef {state.value} fill:{colour},color:#111",
                f"    class {','.join(of)} {state.value}",
            ]
    return "\n".join(lines) + "\n"


def drawn(workflow: Workflow) -> str:
    """A flowchart of a workflow as it is written. Raises what laying it out raises."""
    return mermaid(
        Shown(
            laid.waits.name,
            laid.step.queue,
            laid.step.name,
            laid.waits.links,
            laid.waits.join,
            getattr(laid.step.when, "__name__", laid.step.when),
        )
        for laid in lay(workflow)
    )


def as_plain(workflow: Workflow, steps: Iterable[Laid]) -> dict[str, Any]:
    """The workflow as JSON can say it; `Workflow` reads the same back. Raises PayloadNotEncodable."""
    head = {
        "id": workflow.id,
        "name": workflow.name,
        "metadata": workflow.metadata,
        "correlation_id": workflow.correlation_id,
        "tags": list(workflow.tags),
    }
    outermost = Inherited().within(workflow, is_outermost=True)
    plain = {key: value for key, value in head.items() if value}
    return plain | {"steps": [_plain_step(laid, outermost) for laid in steps]}


def after_plain(links: Iterable[Link]) -> dict[str, str]:
    """What a step waits for, as plain data says it."""
    return {link.parent: link.on.name.lower() for link in links}


def _plain_step(laid: Laid, outermost: Inherited) -> dict[str, Any]:
    step, waits = laid.step, laid.waits
    told = {
        "id": waits.name,
        "queueName": step.queue,
        "jobName": step.name,
        "data": step.data,
        "after": after_plain(waits.links),
        "join": "any" if waits.join is Join.ANY else None,
        "onFailedDependency": "skip" if Missed.SKIP in {link.missed for link in waits.links} else None,
        "when": getattr(step.when, "__name__", step.when),
        "options": _plain_options(laid, outermost),
    }
    plain = {key: value for key, value in told.items() if value not in (None, {}, ())}
    return decode(encode(plain, what=waits.name))  # type: ignore[no-any-return]  # an object


def _plain_options(laid: Laid, outermost: Inherited) -> dict[str, Any]:
    """The options of a step with what it has from workflows within, but not what all have from the whole."""
    inherited = laid.inherited
    options = {word: _plain(value) for word, value in laid.step.words.items() if value is not None}
    metadata = {key: value for key, value in inherited.metadata.items() if key not in outermost.metadata}
    tags = [tag for tag in inherited.tags if tag not in outermost.tags]
    more = {
        "metadata": {**metadata, **options.get("metadata", {})},
        "tags": [*tags, *check_tags(options.get("tags", ()))],
        "correlation_id": options.get("correlation_id")
        or (inherited.correlation_id if inherited.correlation_id != outermost.correlation_id else None),
    }
    return options | {key: value for key, value in more.items() if value}


def _plain(value: Any) -> Any:
    """An option's value as `read_step` reads it back: seconds for a length of time."""
    if isinstance(value, Retry):
        return value.to_dict()
    return value.total_seconds() if isinstance(value, timedelta) else value


def _quoted(text: str) -> str:
    for character, entity in (("&", "&amp;"), ('"', "#quot;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return text
