"""How arguments become a job's data and come back."""

import dataclasses
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pydantic
import pytest

from longshore.core.errors import (
    InvalidTask,
    PayloadMismatch,
    PayloadNotEncodable,
    PayloadTooLarge,
    PayloadUndecodable,
)
from longshore.core.signature import ResultType, Signature


@dataclasses.dataclass
class Address:
    street: str
    number: int = 1


class Person(msgspec.Struct):
    name: str


class Order(pydantic.BaseModel):
    total: Decimal


class Context:
    pass


async def send(
    to: str, *, tenant: str = "none", retries: int | None = None, ctx: Context | None = None
) -> str:
    return to


SEND = Signature("send", send, context_types=(Context,))


def test_arguments_are_stored_under_their_parameters_names() -> None:
    """S2.1, S4.13: any producer can make the same object without the code."""
    assert json.loads(SEND.encode(("a@b",), {"tenant": "acme"})) == {"to": "a@b", "tenant": "acme"}


def test_defaults_are_not_stored_and_belong_to_the_code_that_runs() -> None:
    assert json.loads(SEND.encode((), {"to": "a"})) == {"to": "a"}
    assert SEND.decode(b'{"to":"a"}') == {"to": "a"}


def test_the_context_is_injected_and_never_stored() -> None:
    assert SEND.context_parameters == ("ctx",)
    assert "ctx" not in SEND.parameters


def test_values_come_back_in_the_types_of_the_annotations() -> None:
    def task(
        a: Address, p: Person, o: Order, at: datetime, u: UUID, d: Decimal, raw: bytes, where: Path, x: Any
    ) -> None: ...

    signature = Signature("task", task)
    given = {
        "a": Address("Elm"),
        "p": Person("Ann"),
        "o": Order(total=Decimal("1.10")),
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "u": UUID(int=7),
        "d": Decimal("0.1"),
        "raw": b"\x00\xff",
        "where": Path("a/b"),
        "x": [1, {"y": None}],
    }
    assert signature.decode(signature.encode((), given)) == given


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "'to' is missing"),
        (("a", "b"), {}, "takes 1 positional arguments and got 2"),
        (("a",), {"to": "b"}, "'to' was given twice"),
        (("a",), {"tenat": "x"}, "no parameter 'tenat'; its parameters are: to, tenant, retries"),
        ((7,), {}, r"Expected `str`, got `int` - at `\$.to`"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_stored(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(PayloadMismatch, match=message):
        SEND.encode(args, kwargs)


def test_what_has_no_json_form_is_refused() -> None:
    def task(x: Any) -> None: ...

    signature = Signature("task", task)
    loop: list[Any] = []
    loop.append(loop)
    for value in (object(), float("nan"), {"deep": [float("inf")]}, loop, {1j: 2}):
        with pytest.raises(PayloadNotEncodable, match="task"):
            signature.encode((value,), {})


def test_an_argument_annotated_object_takes_any_json_value() -> None:
    def task(x: object, more: list[object], named: dict[str, object] | None = None) -> None: ...

    signature = Signature("task", task)
    data = signature.encode((None, [1, "a", {"b": []}]), {"named": {"c": 1.5}})
    assert signature.decode(data) == {"x": None, "more": [1, "a", {"b": []}], "named": {"c": 1.5}}


def test_the_size_limit_is_exact() -> None:
    def task(x: str) -> None: ...

    signature = Signature("task", task)
    assert len(signature.encode(("y" * 92,), {}, limit_bytes=100)) == 100
    with pytest.raises(PayloadTooLarge, match="101 bytes and the limit is 100"):
        signature.encode(("y" * 93,), {}, limit_bytes=100)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"to":1}', b'{"to":"a","more":1}', b"\xff", b"[" * 5000]
)
def test_stored_data_that_cannot_be_read_says_so(data: bytes) -> None:
    with pytest.raises(PayloadUndecodable, match="send"):
        SEND.decode(data)


def test_no_data_are_no_arguments() -> None:
    """`add_job(queue, name)` and `Step(queue, name)` in a process that does not know the task store null."""

    def tidy(days: int = 7) -> None: ...

    assert Signature("tidy", tidy).decode(b"null") == Signature("tidy", tidy).decode(b"{}")
    with pytest.raises(PayloadUndecodable, match="days"):
        Signature("tidy", lambda days: None).decode(b"null")


def test_functions_that_cannot_be_bound_by_name_are_refused() -> None:
    def several(*items: int) -> None: ...
    def anything(**items: int) -> None: ...
    def positional(item: int, /) -> None: ...
    def unreadable(item: "list[int] | set[int]") -> None: ...
    def unresolved(item: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for function in (several, anything, positional, unreadable, unresolved):
        with pytest.raises(InvalidTask, match=function.__name__):
            Signature(function.__name__, function)


def test_results_are_read_as_annotated_or_plain() -> None:
    assert ResultType(Person).read(b'{"name":"Ann"}') == Person("Ann")
    assert ResultType(Person).read(b"[1]") == [1]
    assert ResultType(Any).read(b"null") is None
