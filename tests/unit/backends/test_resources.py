"""Statements are read once, by name, and only with their header."""

import sys

import pytest

from longshore.backends.resources import HEADER, read_queries, read_texts
from longshore.core.errors import StoreError


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "statements_of_a_test" / "queries"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    sys.modules.pop("statements_of_a_test", None)
    read_queries.cache_clear()


def test_a_statement_is_its_text_without_the_header(package):
    header = "".join(f"{key} something\n" for key in HEADER)
    (package / "look.sql").write_text(header + "SELECT 1\nFROM job\n")
    assert read_queries("statements_of_a_test") == {"look": "SELECT 1\nFROM job"}


@pytest.mark.parametrize("missing", HEADER)
def test_a_statement_without_its_header_is_refused(package, missing):
    header = "".join(f"{key} something\n" for key in HEADER if key != missing)
    (package / "look.sql").write_text(header + "SELECT 1\n")
    with pytest.raises(StoreError, match=f"look.sql has no line '{missing}"):
        read_queries("statements_of_a_test")


def test_other_files_are_left_alone(package):
    (package / "README.md").write_text("no statement")
    assert read_texts("statements_of_a_test", "queries") == {}


def test_a_part_takes_the_place_of_the_line_that_names_it(package):
    header = "".join(f"{key} something\n" for key in HEADER)
    (package / "parts").mkdir()
    (package / "parts" / "young.sql").write_text("-- for: whoever asks\n(\n    age < 3\n)\n")
    (package / "look.sql").write_text(header + "SELECT 1\nFROM job\nWHERE\n    -- part: young\n")
    assert read_queries("statements_of_a_test") == {
        "look": "SELECT 1\nFROM job\nWHERE\n    (\n        age < 3\n    )"
    }


def test_a_part_that_is_not_there_is_refused(package):
    header = "".join(f"{key} something\n" for key in HEADER)
    (package / "look.sql").write_text(header + "SELECT 1\n-- part: lost\n")
    with pytest.raises(StoreError, match=r"look\.sql asks for a part lost"):
        read_queries("statements_of_a_test")
