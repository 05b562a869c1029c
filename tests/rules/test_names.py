"""Names: no drawer for everything, a docstring on every public name, tests that read as sentences."""

import ast

from tests.rules.sources import files, shown, text

DRAWERS = {"util", "utils", "helper", "helpers", "common", "misc", "base"}
FEWEST_WORDS_OF_A_TEST = 4


def is_a_drawer(module: str) -> bool:
    """Whether a module's name says nothing of what is in it: `utils`, `_helpers`, `worker_common`."""
    return module.rpartition("_")[2] in DRAWERS


def undocumented(source: str) -> list[str]:
    """Public top-level names of a module without a docstring, and `the module` itself. A test's name is its own."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["the module"]
    named = [
        node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    public = [node for node in named if not node.name.startswith(("_", "test_"))]
    return found + [node.name for node in public if not ast.get_docstring(node)]


def short_test_names(source: str) -> list[str]:
    """Tests whose name is too short to say what holds."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and len(node.name.removeprefix("test_").split("_")) < FEWEST_WORDS_OF_A_TEST
    ]


def test_no_module_is_a_drawer_for_everything():
    paths = [*files("src", ".py"), *files("servers", ".py"), *files("tests", ".py")]
    assert [shown(path) for path in paths if is_a_drawer(path.stem) or is_a_drawer(path.parent.name)] == []


def test_every_module_and_every_public_name_has_a_docstring():
    lacking = {
        shown(path): undocumented(text(path)) for path in [*files("src", ".py"), *files("servers", ".py")]
    }
    assert {path: names for path, names in lacking.items() if names} == {}


def test_every_test_is_named_as_a_sentence():
    paths = [*files("tests", ".py"), *files("src/longshore/testing", ".py")]
    short = {shown(path): short_test_names(text(path)) for path in paths}
    assert {path: names for path, names in short.items() if names} == {}


def test_planted_drawers_are_found_and_good_names_are_not():
    assert [
        name for name in ("utils", "_helpers", "store_common", "rows", "database") if is_a_drawer(name)
    ] == [
        "utils",
        "_helpers",
        "store_common",
    ]


def test_a_planted_name_without_docstring_is_found():
    source = '"""This module is documented."""\n\ndef bare(): ...\n\ndef _private(): ...\n\nclass Bare: ...\n'
    assert undocumented(source) == ["bare", "Bare"]
    assert undocumented("x = 1\n") == ["the module"]


def test_a_planted_test_with_a_short_name_is_found():
    assert short_test_names("def test_retry_2(): ...") == ["test_retry_2"]
