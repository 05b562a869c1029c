"""This proof plants bugs into the stores, one at a time, and the conformance suite must find each of them.

    python3 dev.py proof mutants [--store memory] [--only fence] [--by suite|walks] [--jobs 2]

A bug is a change of text in a copy of the sources, tested in a process of its own: see proofs/_planted*.py. The suite
of sentences has the first try, and the random walks another at what it missed; --by leaves it to one of them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from _planted import MUTANTS as IN_FILES
from _planted import Mutant
from _planted_on_servers import ON_SERVERS
from _planted_rules import RULES

MUTANTS = (*IN_FILES, *ON_SERVERS, *RULES)
ROOT = Path(__file__).resolve().parent.parent
SUITE, WALKS = "suite", "walks"
TOO_LONG_SECONDS = 600


class Outcome(NamedTuple):
    """What became of a mutant: what found it, or why it could not be planted."""

    mutant: Mutant
    killer: str = ""
    problem: str = ""


def main(options: argparse.Namespace) -> int:
    """The sound stores first, then every bug; 1 if a bug lives, or a sound store is found guilty."""
    chosen = [m for m in MUTANTS if options.store in {None, m.store} and options.only in m.name]
    with ThreadPoolExecutor(options.jobs) as pool:
        guilty = [answer for answer in pool.map(_sound, sorted({m.store for m in chosen})) if answer]
        print(*guilty, sep="\n", end="\n" if guilty else "", flush=True)
        if guilty:
            return 1
        outcomes = []
        for outcome in pool.map(lambda mutant: _run(mutant, options.by), chosen):
            outcomes.append(outcome)
            print(f"{len(outcomes):>3} of {len(chosen)}  {_line(outcome)}", flush=True)
    killed = sum(bool(outcome.killer) for outcome in outcomes)
    print(f"{killed} of {len(chosen)} killed")
    return 0 if killed == len(chosen) else 1


def _line(outcome: Outcome) -> str:
    found = f"found by the {outcome.killer}" if outcome.killer else "ALIVE"
    return f"{outcome.mutant.store:<7} {outcome.mutant.name:<40} {outcome.problem or found}"


def _sound(store: str) -> str:
    """What the tests complain about in an unchanged copy; empty when all is well."""
    with tempfile.TemporaryDirectory() as folder:
        sources = _copy(Path(folder))
        complaints = [
            f"{store}: the {kind} of the sound store fails\n{said}"
            for kind in (SUITE, WALKS)
            if (said := _tests(sources, store, kind))
        ]
    print(f"sound   {store:<40} {'FAILS' if complaints else 'passes suite and walks'}", flush=True)
    return "\n".join(complaints)


def _run(mutant: Mutant, kinds: tuple[str, ...]) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        sources = _copy(Path(folder))
        target = sources / "longshore/backends" / mutant.file
        text = target.read_text(encoding="utf-8") if target.exists() else ""
        if text.count(mutant.old) != mutant.times:
            return Outcome(mutant, problem=f"CANNOT BE PLANTED: {mutant.old!r} is not in {mutant.file}")
        target.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        return Outcome(mutant, next((kind for kind in kinds if _tests(sources, mutant.store, kind)), ""))


def _copy(folder: Path) -> Path:
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "src"


def _tests(sources: Path, store: str, kind: str) -> str:
    """What pytest says when the tests fail with these sources; empty when they pass."""
    file, select = (f"test_{store}.py", "") if kind == SUITE else ("test_walks.py", f"oracle and {store}-")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=line", "-p", "no:cacheprovider"]
    command += ["-p", "_no_shrinking", "-k", select, f"tests/conformance/{file}"]
    path = os.pathsep.join([str(sources), str(ROOT / "proofs")])
    env = {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "LONGSHORE_SOURCES": str(sources),
    }
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=TOO_LONG_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"took longer than {TOO_LONG_SECONDS} s"
    if done.returncode not in {0, 1}:  # 1: tests failed; all else is pytest's own trouble
        raise RuntimeError(f"pytest could not run:\n{done.stdout}\n{done.stderr}")
    return done.stdout if done.returncode else ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--store", choices=sorted({mutant.store for mutant in MUTANTS}))
    parser.add_argument("--only", default="", help="a part of the names")
    parser.add_argument("--by", type=lambda kind: (kind,), default=(SUITE, WALKS), help="suite or walks")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    sys.exit(main(parser.parse_args()))
