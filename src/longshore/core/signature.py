"""This module binds a job's data to a function's parameters: arguments → JSON object → keyword arguments.

`enqueue(*args, **kwargs)` stores an object with the parameters' names, so that a producer without the task's code, HTTP
or another language makes the same job. What was written is read back with the task's annotations before it is stored
(0.2 µs), so that nothing is stored that a worker could not read.
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from longshore.core.errors import InvalidTask, PayloadError, PayloadMismatch, PayloadUndecodable
from longshore.core.payload import PAYLOAD_LIMIT_BYTES, decode, decoder, encode

NO_DATA, NO_ARGUMENTS = b"null", b"{}"


class Signature:
    """The parameters of a task's function, as one msgspec struct.

    `context_parameters` are those annotated with a context type: they are injected by the worker and never stored.
    """

    __slots__ = (
        "_defaults",
        "_order",
        "_reader",
        "_struct",
        "context_parameters",
        "name",
        "parameters",
        "pickable",
        "required",
        "returns",
    )

    def __init__(
        self, name: str, function: Callable[..., Any], *, context_types: tuple[type, ...] = ()
    ) -> None:
        """Raises InvalidTask when the function cannot be bound by name: `*args`, `**kwargs`, positional-only
        parameters, or annotations that cannot be resolved or read from JSON."""
        self.name: str = name
        hints = _hints(name, function)
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        self.context_parameters: tuple[str, ...] = ()
        for parameter in inspect.signature(function).parameters.values():
            annotation = hints.get(parameter.name, Any)
            if _is_context(annotation, context_types):
                self.context_parameters += (parameter.name,)
                continue
            fields.append(_field(name, parameter, annotation))
        self.parameters: tuple[str, ...] = tuple(field[0] for field in fields)
        self.pickable: tuple[str, ...] | None = self.parameters
        """What the job's data has at its top, for rules that pick from it; None where that is not known."""
        self.required: tuple[str, ...] = tuple(field[0] for field in fields if len(field) == 2)
        self._defaults = _defaults(function, self.parameters)
        self._order = _positional(function, self.context_parameters)
        self._struct = self._make_struct(fields)
        self._reader = self._make_reader()
        self.returns: Any = hints.get("return", Any)

    def encode(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, limit_bytes: int = PAYLOAD_LIMIT_BYTES
    ) -> bytes:
        """The JSON object that is stored for a call with these arguments.

        Raises PayloadMismatch, PayloadNotEncodable or PayloadTooLarge; nothing is stored then.
        """
        if args:
            kwargs = self.named(args, kwargs)
        try:
            values = self._struct(**kwargs)
        except TypeError:
            raise PayloadMismatch(self.name, self._problem(kwargs)) from None
        data = encode(values, what=self.name, limit_bytes=limit_bytes)
        try:
            self._reader.decode(data)
        except Exception as error:  # a model's own reader may raise anything
            raise PayloadMismatch(self.name, _said_by(error)) from error
        return data

    def named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments by name. Raises PayloadMismatch for too many, or one that was given twice."""
        if len(args) > len(self._order):
            raise PayloadMismatch(
                self.name, f"it takes {len(self._order)} positional arguments and got {len(args)}"
            )
        named = dict(zip(self._order, args, strict=False))
        if twice := named.keys() & kwargs.keys():
            raise PayloadMismatch(self.name, f"argument '{min(twice)}' was given twice")
        return {**named, **kwargs}

    def check(self, data: bytes) -> None:
        """Raises PayloadMismatch if the JSON does not fit the parameters."""
        try:
            self._reader.decode(data)
        except Exception as error:
            raise PayloadMismatch(self.name, _said_by(error)) from error

    def decode(self, data: bytes) -> dict[str, Any]:
        """The keyword arguments for a call; none where there is no data, as when somebody who does not know the task
        added it by name. Raises PayloadUndecodable."""
        try:
            values = msgspec.structs.asdict(self._reader.decode(NO_ARGUMENTS if data == NO_DATA else data))
        except Exception as error:
            raise PayloadUndecodable(self.name, _said_by(error)) from error
        if UNSET in values.values():
            return {key: value for key, value in values.items() if value is not UNSET}
        return values

    def plain_defaults(self) -> dict[str, Any]:
        """What stands for arguments that a payload leaves out, as plain values. One that has no JSON form is absent."""
        plain = {}
        for name, value in self._defaults.items():
            with suppress(PayloadError):
                plain[name] = decode(encode(value, what=self.name))
        return plain

    def _problem(self, kwargs: Mapping[str, Any]) -> str:
        unknown = sorted(kwargs.keys() - set(self.parameters))
        missing = sorted(set(self.required) - kwargs.keys())
        expected = f"its parameters are: {', '.join(self.parameters) or 'none'}"
        if unknown:
            return f"it has no parameter '{unknown[0]}'; {expected}"
        return f"argument '{missing[0]}' is missing; {expected}"

    def _make_struct(self, fields: list[Any]) -> type[msgspec.Struct]:
        try:
            return msgspec.defstruct(
                "Arguments", fields, kw_only=True, forbid_unknown_fields=True, gc=False, module=__name__
            )
        except (TypeError, ValueError) as error:
            raise InvalidTask(self.name, f"its parameters cannot be stored by name: {error}") from error

    def _make_reader(self) -> "msgspec.json.Decoder[Any]":
        try:
            return decoder(self._struct)
        except TypeError as error:
            problem = (
                f"an annotation cannot be read from JSON: {error}. Annotate with a simpler type or with Any"
            )
            raise InvalidTask(self.name, problem) from error


class ItemSignature(Signature):
    """What a batch task takes of each job: one item, which is all of the job's data."""

    __slots__ = ()

    def __init__(self, name: str, item: Any) -> None:
        """Raises InvalidTask when no item of this type can be read from JSON."""
        self.name = name
        self.context_parameters = ()
        self.parameters = self.required = self._order = ("item",)
        self._defaults = {}
        self.returns = Any
        try:
            self._reader = decoder(item)
        except TypeError as error:
            raise InvalidTask(name, f"its items cannot be read from JSON: {error}") from error
        self.pickable = _fields_of(item)

    def encode(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, limit_bytes: int = PAYLOAD_LIMIT_BYTES
    ) -> bytes:
        named = self.named(args, kwargs)
        if named.keys() != {"item"}:
            raise PayloadMismatch(self.name, self._problem(named))
        data = encode(named["item"], what=self.name, limit_bytes=limit_bytes)
        self.check(data)
        return data

    def decode(self, data: bytes) -> dict[str, Any]:
        return {"item": self.item(data)}

    def item(self, data: bytes) -> Any:
        """The item that a job holds. Raises PayloadUndecodable."""
        try:
            return self._reader.decode(data)
        except Exception as error:
            raise PayloadUndecodable(self.name, _said_by(error)) from error


class ResultType:
    """Reads stored results into the type that the task's function is annotated with, as far as they fit."""

    __slots__ = ("_reader",)

    def __init__(self, annotation: Any = Any) -> None:
        try:
            self._reader: msgspec.json.Decoder[Any] | None = decoder(annotation)
        except TypeError:  # a type that JSON cannot say; results then come back as plain values
            self._reader = None

    def read(self, data: bytes) -> Any:
        """The result; plain values where it does not fit the annotation."""
        if self._reader is not None:
            try:
                return self._reader.decode(data)
            except (msgspec.ValidationError, TypeError, ValueError):
                return decode(data)
        return decode(data)


def _said_by(error: Exception) -> str:
    """What msgspec or a model says is clear by itself; a KeyError says `'x'`."""
    expected = isinstance(error, msgspec.MsgspecError | TypeError | ValueError | RecursionError)
    return str(error) if expected else f"{type(error).__name__}: {error}"


def _hints(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise InvalidTask(
            name, f"its annotations cannot be resolved ({error}); import the type at module level"
        ) from error
    except TypeError:  # a callable object without annotations
        return {}


def _is_context(annotation: Any, context_types: tuple[type, ...]) -> bool:
    candidates = typing.get_args(annotation) or (annotation,)
    return (
        any(isinstance(c, type) and issubclass(c, context_types) for c in candidates)
        if context_types
        else False
    )


def _field(name: str, parameter: inspect.Parameter, annotation: Any) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        problem = f"parameter '{parameter}' cannot be bound by name; give each argument a name of its own"
        raise InvalidTask(name, problem)
    if parameter.default is parameter.empty:
        return (parameter.name, annotation)
    return (parameter.name, annotation | UnsetType if annotation is not Any else Any, UNSET)


def _fields_of(item: Any) -> tuple[str, ...] | None:
    """By their names in JSON; None for an item that may have any, or that is no object."""
    try:
        kind = msgspec.inspect.type_info(item)
    except TypeError:  # a model of another library
        return None
    if isinstance(
        kind, msgspec.inspect.DataclassType | msgspec.inspect.StructType | msgspec.inspect.TypedDictType
    ):
        return tuple(field.encode_name for field in kind.fields)
    return None


def _positional(function: Callable[..., Any], context_parameters: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name not in context_parameters
    )


def _defaults(function: Callable[..., Any], parameters: tuple[str, ...]) -> dict[str, Any]:
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name in parameters and parameter.default is not parameter.empty
    }
