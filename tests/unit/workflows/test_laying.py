"""Workflows as they are written become steps with links, and what cannot run is refused."""

import re

import pytest

from longshore.core.edges import Join, Missed, When
from longshore.core.errors import InvalidOption, UnknownOption
from longshore.core.workflow_errors import InvalidWorkflow, UnknownStep
from longshore.manager.option_parsing import SEED_WORDS, JobWords
from longshore.workflows.laying import lay
from longshore.workflows.reading import read_workflow
from longshore.workflows.spec import STEP_WORDS, Step, Workflow, chain, chord, group


def step(name, **words):
    return Step("q", name, **words)


def links(workflow, **laying):
    """Each step with what it waits for: `{"b": {"a": SUCCESS}}`."""
    return {
        laid.waits.name: {link.parent: link.on for link in laid.waits.links}
        for laid in lay(workflow, **laying)
    }


S, F, A, OVER = When.SUCCESS, When.FAILURE, When.ALWAYS, When.OVER


def test_a_chain_runs_one_after_the_other_and_lists_in_it_side_by_side():
    """S3.7 S3.8"""
    workflow = chain(step("a"), [step("b"), step("c")], step("d"))
    assert links(workflow) == {"a": {}, "b": {"a": S}, "c": {"a": S}, "d": {"b": S, "c": S}}


@pytest.mark.parametrize("empty", [[], Workflow(steps=[])])
def test_an_empty_part_of_a_chain_lets_the_next_one_wait_for_the_one_before(empty):
    laid = lay(chain(Step("q", "fetch"), empty, Step("q", "report")))
    assert [link.parent for link in laid[1].waits.links] == ["fetch"]


def test_nothing_runs_for_the_failure_of_no_steps():
    with pytest.raises(InvalidWorkflow, match="there are none"):
        lay(Workflow(steps=[], on_failure=Step("q", "alert")))


def test_a_chord_ends_in_one_step_that_waits_for_all():
    """S3.9: map-reduce."""
    workflow = chord([step("map") for _ in range(3)], step("reduce"))
    assert links(workflow)["reduce"] == {"map": S, "map-2": S, "map-3": S}


def test_what_follows_a_list_gathers_however_many_stand_in_it():
    """S3.9: a reduce is written once, for none, one and many."""

    def gathering(workflow):
        return {laid.waits.name for laid in lay(workflow) if laid.gathers}

    for count in range(3):
        assert gathering(chord([step("map") for _ in range(count)], step("reduce"))) == {"reduce"}
    assert gathering(chain(step("a"), [step("b")], step("c"), step("d"))) == {"c"}
    assert gathering(chain(chain(step("a"), [step("b")]), step("c"))) == {"c"}
    assert gathering(group(step("a"), on_complete=step("b"))) == {"b"}
    assert gathering(chain(step("a"), {"steps": [{"queue": "q", "name": "b"}]}, step("c"))) == {"c"}
    assert gathering(chain(step("a"), step("b"), on_success=step("c"))) == set()
    assert gathering(chain(step("a"), [], step("b"))) == set()


def test_a_group_calls_back_when_all_are_done_when_all_succeeded_and_at_the_first_failure():
    """S3.8: batch callbacks."""
    workflow = group(
        chain(step("a"), step("b")),
        step("c", on_failure=step("mend")),
        on_success=step("good"),
        on_failure=step("bad"),
        on_complete=step("done"),
    )
    laid = {each.waits.name: each.waits for each in lay(workflow)}
    found = links(workflow)
    assert found["good"] == {"b": S, "c": S}
    assert found["bad"] == {"a": F, "b": F, "c": F}
    assert laid["bad"].join is Join.ANY
    assert found["done"] == {"b": OVER, "mend": OVER}


def test_the_shape_of_seed_003_is_read_as_it_is():
    """S3.8"""
    profile = {
        "queueName": "data",
        "jobName": "create-profile",
        "data": {"userId": 123},
        "onSuccess": [{"queueName": "mail", "jobName": "created", "data": {"userId": 123}}],
        "onFailure": [{"queueName": "notes", "jobName": "alert-admin", "data": {"error": "x"}}],
    }
    welcome = {"queueName": "mail", "jobName": "welcome", "data": {"userId": 123}, "onSuccess": [profile]}
    seed = {
        "id": "onboarding",
        "name": "User Onboarding",
        "steps": [welcome],
        "metadata": {"createdBy": "system", "correlationId": "workflow-123", "tags": ["onboarding", "user"]},
    }
    workflow = read_workflow(seed)
    assert (workflow.id, workflow.name) == ("onboarding", "User Onboarding")
    assert links(workflow) == {
        "welcome": {},
        "create-profile": {"welcome": S},
        "created": {"create-profile": S},
        "alert-admin": {"create-profile": F},
    }
    inherited = lay(workflow)[0].inherited
    assert (inherited.correlation_id, inherited.tags) == ("workflow-123", ("onboarding", "user"))


def test_a_step_that_stands_in_two_places_is_one_with_two_parents():
    both = step("both")
    assert links(Workflow(steps=[step("a", on_success=both), step("b", on_complete=both)]))["both"] == {
        "a": S,
        "b": A,
    }


def test_steps_are_named_by_id_or_by_their_task():
    workflow = Workflow(steps=[step("x", id="one"), step("x"), step("x"), step("y", after=["one"])])
    assert links(workflow) == {"one": {}, "x": {}, "x-2": {}, "y": {"one": S}}


def test_a_workflow_within_has_names_of_its_own():
    """S3.8: sub-workflows."""
    inner = Workflow(id="etl", steps=[step("load", after="get"), step("get")], tags=["inner"])
    workflow = chain(step("begin"), inner, step("end", after={"etl/get": "success"}), tags=["outer"])
    assert links(workflow) == {
        "begin": {},
        "etl/get": {"begin": S},
        "etl/load": {"etl/get": S},
        "end": {"etl/get": S, "etl/load": S},
    }
    tags = {each.waits.name: each.inherited.tags for each in lay(workflow)}
    assert (tags["begin"], tags["etl/get"]) == (("outer",), ("outer", "inner"))


@pytest.mark.parametrize(
    ("word", "on", "missed"),
    [("cancel", S, Missed.CANCEL), ("skip", S, Missed.SKIP), ("run", A, Missed.CANCEL)],
)
def test_what_a_failed_dependency_does_is_one_word(word, on, missed):
    """S3.8"""
    [link] = lay(chain(step("a"), step("b", on_failed_dependency=word)))[1].waits.links
    assert (link.on, link.missed) == (on, missed)


def test_steps_may_be_laid_beside_those_that_are_there():
    """S3.8: appending."""
    more = Workflow(steps=[step("b", on_success=step("c")), step("d", after="a")])
    assert links(more, known=["a", "b"], root="b") == {"b-2": {"b": S}, "d": {"a": S}, "c": {"b-2": S}}


@pytest.mark.parametrize(
    ("workflow", "problem"),
    [
        (Workflow(steps=[step("x", after="y"), step("y", after="x")]), "Step 'x' .* waits for itself: x → y → x"),
        (chain(one := step("a"), one), "Step 'a' .* waits for itself"),
        (Workflow(steps=[step("x", after="fetsh"), step("fetch")]), "'fetsh'.* Did you mean 'fetch'"),
        (Workflow(steps=[step("x", id="a"), step("y", id="a")]), "Step 'a' .* twice"),
        (Workflow(steps=[step("a"), step("b", after="a"), step("c", on_success=["b"], on_failure=["b"])]), "twice"),
        (Workflow(steps=[step("x"), step("x"), step("y", after="x")]), "several"),
        (
            Workflow(steps=[step("a", on_success=step("b", on_success="j"), on_failure=step("c", on_success="j")),
                            step("x", id="j")]),
            "Step 'j' .* can never run: .* 'a' succeeds and that it fails",
        ),
        (Workflow(), "no steps"),
        (Workflow(steps=["a"]), "only named"),
        (Workflow(steps=[step("a", after=step("b"))]), "no part of the workflow"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_naming_the_step(workflow, problem):
    """S3.8: loops, unknown steps, unreachable branches, names and parents twice."""
    with pytest.raises(InvalidWorkflow, match=problem):
        lay(workflow)


def test_one_way_of_two_is_enough_for_a_join_of_any():
    ways = step("a", on_success=step("b", on_success="j"), on_failure=step("c", on_success="j"))
    assert lay(Workflow(steps=[ways, step("x", id="j", join="any")]))


@pytest.mark.parametrize(
    ("make", "error", "problem"),
    [
        (lambda: step("a", prioriti=1), UnknownOption, "'priority'"),
        (lambda: step("a", join="some"), InvalidOption, "'all' or 'any'"),
        (lambda: step("a", after={"b": "sometimes"}), InvalidOption, "'success'"),
        (lambda: step("a", after=["b", "b"]), InvalidOption, "each step once"),
        (lambda: read_workflow({"stepz": []}), InvalidOption, "queueName"),
        (lambda: read_workflow({"steps": [], "nam": "x"}), UnknownOption, "'name'"),
        (lambda: lay(read_workflow({"steps": [{"queueName": "q", "jobName": "a", "onSucces": []}]})),
         UnknownOption, "'onSuccess'"),
    ],
)  # fmt: skip
def test_a_word_that_does_not_exist_is_refused_with_the_nearest(make, error, problem):
    with pytest.raises(error, match=problem):
        make()


def test_every_option_of_a_job_is_one_of_a_step_but_where_it_is_stored():
    own = set(JobWords.__annotations__) - {"connection", "durability", "job_id", "chain_to"}
    seeds = {seed for seed, word in SEED_WORDS.items() if word in own}
    assert set(STEP_WORDS) == own | seeds


def test_an_unknown_step_is_an_invalid_workflow():
    assert issubclass(UnknownStep, InvalidWorkflow)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda: step("b", after=5), "'after' of step 'b' cannot be 5"),
        (lambda: step("b", after={"a": "sucess"}), "'after' of step 'b' cannot be 'sucess'"),
        (lambda: step("b", join="some"), "'join' of step 'b'"),
        (lambda: Workflow(steps=[step("a")], metadata=5), "'metadata' of a workflow cannot be 5"),
        (lambda: Workflow(stepz=[step("a")]), "Did you mean 'steps'"),
        (lambda: lay(chain(print)), "task.step(…) makes one"),
        (lambda: read_workflow({"name": "x"}), "'steps' in it"),
        (lambda: lay(Workflow(steps=[{"queue": "q", "job": "f"}])), "Did you mean 'jobName'"),
    ],
)
def test_what_is_written_wrongly_is_said_with_the_step_and_the_way_out(write, said):
    with pytest.raises((InvalidOption, UnknownOption), match=re.escape(said)):
        write()
