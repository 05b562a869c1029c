"""Every file of examples/ runs by itself, and prints what its docstring says it prints."""

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

FAILED_ATTEMPT = re.compile(r"^Job \S+ \(.*\) (failed|lost its worker).*\n", re.MULTILINE)
"""What Python shows of the worker's log where nobody has set logging up; some examples fail on purpose."""
ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LONGEST = 80


def promised_output(example: Path) -> str:
    """The indented lines after "It prints:" in the docstring."""
    docstring = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
    _, found, lines = docstring.partition("\nIt prints:\n\n")
    assert found, f"{example.name} does not say what it prints"
    return textwrap.dedent(lines).strip()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_says(example, tmp_path):
    """S3.9: each pattern is a file that runs."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        env={**own, "LONGSHORE_URL": f"sqlite:///{tmp_path}/jobs.db"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, FAILED_ATTEMPT.sub("", done.stderr)) == (0, "")
    assert done.stdout.strip() == promised_output(example)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_on_a_screen_or_two(example):
    assert len(example.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_the_list_of_examples_names_them_all():
    listed = re.findall(r"^\| \[`(\w+\.py)`\]", (ROOT / "examples" / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [path.name for path in EXAMPLES]
