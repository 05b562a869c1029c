"""Exceptions: none disappears without a word."""

import ast

from tests.rules.sources import files, shown, text

EVERYTHING = {"Exception", "BaseException"}


def swallowed(source: str) -> list[int]:
    """Lines where an exception is caught and nothing done, or where every exception is suppressed."""
    return [
        node.lineno for node in ast.walk(ast.parse(source)) if is_silent(node) or suppresses_everything(node)
    ]


def is_silent(node: ast.AST) -> bool:
    """Whether this is an `except` whose body is only `pass` or `...`."""
    return isinstance(node, ast.ExceptHandler) and all(
        isinstance(line, ast.Pass)
        or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and line.value.value is ...)
        for line in node.body
    )


def suppresses_everything(node: ast.AST) -> bool:
    """Whether this is `suppress(Exception)`; suppressing one expected exception by name is fine."""
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == "suppress"
        and any(ast.unparse(argument) in EVERYTHING for argument in node.args)
    )


def test_no_exception_is_swallowed():
    found = {
        shown(path): swallowed(text(path))
        for path in [*files("src", ".py"), *files("servers", ".py"), *files("tests", ".py")]
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_a_planted_swallowed_exception_is_found():
    assert swallowed("try:\n    f()\nexcept ValueError:\n    pass\n") == [3]
    assert swallowed("try:\n    f()\nexcept ValueError:\n    ...\n") == [3]
    assert swallowed("with contextlib.suppress(Exception):\n    f()\n") == [1]


def test_a_handled_and_an_expected_exception_pass():
    assert swallowed("try:\n    f()\nexcept ValueError:\n    log.exception('f')\n") == []
    assert swallowed("with suppress(FileNotFoundError):\n    f()\n") == []
