"""This module reads conditions of steps that are written as text: `previous.total > 100 and not data.dry_run`.

Names are `previous` (the result of the step before, a list where there are several), `results` (by step), `data` and
`metadata`; `.name` and `[…]` look into objects and lists, and what is not there is None. There are comparisons, `and`,
`or`, `not`, `in`, `len(…)` and plain values. Nothing else: a text from the store must not become code.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from longshore.core.errors import InvalidOption

NAMES = ("previous", "results", "data", "metadata")

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda item, many: many is not None and item in many,
    ast.NotIn: lambda item, many: many is None or item not in many,
}
_ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
LONGEST = 1000
"""Characters of a condition."""


def is_name(text: str) -> bool:
    """Whether the text names a predicate, and is no expression."""
    return text.isidentifier() and text not in (*NAMES, "True", "False", "None")


def check(text: str) -> None:
    """Raises InvalidOption for what is no such expression."""
    _parsed(text)


def names_in(text: str) -> set[str]:
    """Which of the names it looks at."""
    return {node.id for node in ast.walk(_parsed(text)) if isinstance(node, ast.Name)}


def results_in(text: str) -> list[str]:
    """The steps whose results it looks at: `results.fetch`, `results["fetch"]`."""
    found: list[str] = []
    for node in ast.walk(_parsed(text)):
        match node:
            case ast.Attribute(value=ast.Name(id="results"), attr=step):
                found.append(step)
            case ast.Subscript(value=ast.Name(id="results"), slice=ast.Constant(value=str(step))):
                found.append(step)
    return found


def holds(text: str, names: Mapping[str, Any]) -> bool:
    """Whether the condition is true of these values. Raises InvalidOption, and TypeError for a comparison of things
    that have no order."""
    return bool(_value(_parsed(text), names))


@lru_cache(maxsize=256)
def _parsed(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise InvalidOption("when", f"{text[:40]}…", f"at most {LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refused(text, "it cannot be read") from None
    _refuse_others(tree, text)
    return tree


def _refuse_others(node: ast.expr, text: str) -> None:
    match node:
        case ast.Name(id=name):
            if name not in NAMES:
                raise _refused(text, f"there is no name '{name}'; there are {', '.join(NAMES)}")
        case ast.Constant(value=value):
            if not isinstance(value, str | int | float | bool | None):
                raise _refused(text, f"{value!r} has no JSON form")
        case ast.Compare():
            _refuse_others_in([node.left, *node.comparators], text)
        case ast.BoolOp(values=values) | ast.List(elts=values) | ast.Tuple(elts=values):
            _refuse_others_in(values, text)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=inner) | ast.Attribute(value=inner):
            _refuse_others(inner, text)
        case ast.Subscript(value=inner, slice=index):
            _refuse_others_in([inner, index], text)
        case ast.Call(func=ast.Name(id="len"), args=[inner], keywords=[]):
            _refuse_others(inner, text)
        case _:
            raise _refused(text, f"'{ast.unparse(node)}' is more than a condition may say")


def _refuse_others_in(nodes: list[ast.expr], text: str) -> None:
    for node in nodes:
        _refuse_others(node, text)


def _refused(text: str, problem: str) -> InvalidOption:
    return InvalidOption(
        "when",
        text,
        f'a predicate\'s name, or an expression such as "previous.total > 100" ({problem}; @manager.predicate takes '
        "any function)",
    )


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Constant(value=value):
            return value
        case ast.Attribute(value=inner, attr=name):
            return _looked_up(_value(inner, names), name)
        case ast.Subscript(value=inner, slice=index):
            return _looked_up(_value(inner, names), _value(index, names))
        case ast.List(elts=values) | ast.Tuple(elts=values):
            return [_value(each, names) for each in values]
        case ast.Call(args=[inner]):
            return len(_value(inner, names) or ())
        case _:
            return _reckoned(node, names)


def _reckoned(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Compare():
            return _compared(node, names)
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_value(each, names) for each in values)
        case ast.BoolOp(values=values):
            return any(_value(each, names) for each in values)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _value(inner, names)
        case ast.UnaryOp(operand=inner):
            return -_value(inner, names)
        case _:
            raise AssertionError(node)


def _compared(node: ast.Compare, names: Mapping[str, Any]) -> bool:
    left = _value(node.left, names)
    for how, other in zip(node.ops, node.comparators, strict=True):
        right = _value(other, names)
        if isinstance(how, _ORDERED) and (left is None or right is None):
            return False
        if not _COMPARISONS[type(how)](left, right):
            return False
        left = right
    return True


def _looked_up(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, list | str) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return None
