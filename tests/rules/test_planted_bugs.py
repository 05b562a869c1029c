"""Each bug that `dev.py proof mutants` plants can still be planted: the line that it changes is there."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "proofs"))
from mutants import MUTANTS  # noqa: E402 - proofs are programs, not a package


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.store}: {mutant.name}")
def test_a_planted_bug_finds_its_line(mutant) -> None:
    text = (ROOT / "src/longshore/backends" / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.old) == mutant.times
    assert mutant.new != mutant.old
