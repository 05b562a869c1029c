"""What type checkers of users see: `task.enqueue(...)` has the task's own signature."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

USE = Path(__file__).parent / "typing" / "use.py"
LINES = USE.read_text(encoding="utf-8").splitlines()
EXPECTED = {number: line.rpartition("  # ")[2] for number, line in enumerate(LINES, 1) if "  # " in line}
CHECKERS = {
    "mypy": (["mypy", "--strict", "--no-error-summary"], r':(\d+): note: Revealed type is "(.*)"'),
    "pyright": (["pyright"], r':(\d+):\d+ - information: Type of ".*" is "(.*)"'),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("checker", CHECKERS)
def test_type_checkers_see_the_tasks_own_signature(checker):
    """S4.13: results, jobs and options are typed, and mistakes are seen, by both checkers."""
    command, pattern = CHECKERS[checker]
    done = subprocess.run(
        [sys.executable, "-m", *command, str(USE)], capture_output=True, text=True, check=False, timeout=170
    )
    seen = {
        int(number): re.sub(r"\b[a-z_.]+\.(?=[A-Z])", "", kind)
        for number, kind in re.findall(pattern, done.stdout)
    }
    complaints = {
        int(number): "error" for number in re.findall(r":(\d+)(?::\d+)?(?: -|:) error", done.stdout)
    }
    assert seen | complaints == EXPECTED, done.stdout + done.stderr
