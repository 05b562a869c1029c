#!/usr/bin/env python3
"""This script sets the project up and runs its demo, tests, checks, proofs, benchmarks and docs.

It needs Python, git and a network for the first run, nothing else: uv is taken from PATH or installed
into .dev/, and everything a command needs goes into .venv/. Run it without arguments for the list.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
DEV = ROOT / ".dev"
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
UV_IN_A_VENV = DEV / "uv" / ("Scripts/uv.exe" if WINDOWS else "bin/uv")
UV_BESIDE = DEV / "uv-files" / "bin" / ("uv.exe" if WINDOWS else "uv")
OLDEST_UV = (0, 6)  # the first with dependency groups that include groups, and this lock file's format

PUBLIC_INDEX = "https://pypi.org/simple"  # the lock file names it and no other, whatever this machine uses

TWO_FILES_AT_A_TIME = ["-q", "-n", "2", "--dist", "loadfile", "--max-worker-restart", "0"]
"""How the suite runs; a process that ends, such as one that hung (tests/conftest.py), ends the run."""

COMMANDS = {
    "demo": "See Longshore work: jobs, retries and dead letters on a throw-away store (longshore demo).",
    "test": "Run the whole test suite; arguments go to pytest, for example: test -k retry.",
    "check": "Decide whether a change may land: format, lint, types, floors, docs, rules and unit tests.",
    "format": "Put the code into its one format and mend what ruff can mend safely.",
    "proof": "Run one of the long proofs in proofs/ by name; without a name, list them.",
    "bench": "Run the benchmarks of benchmarks/; arguments go to benchmarks/run.py.",
    "docs": "Build the documentation into build/docs; with --check, only compare its generated pieces.",
}


class CannotSetUp(Exception):
    """Something this machine lacks; the message says what to do about it."""


# ------------------------------------------------------------------------------------------------- finding uv


def environment() -> dict[str, str]:
    """The caller's environment, fit for uv: the machine's certificates, nobody else's virtual environment."""
    env = dict(os.environ)
    env.pop("VIRTUAL_ENV", None)  # another project's, if set; uv would warn about it at every step
    for notice in ("PIP_DISABLE_PIP_VERSION_CHECK", "PYRIGHT_PYTHON_IGNORE_WARNINGS"):
        env.setdefault(notice, "1")
    env.setdefault("PIP_ROOT_USER_ACTION", "ignore")  # it installs into .dev/ only
    certificates = ssl.get_default_verify_paths()
    if certificates.cafile or (certificates.capath and any(Path(certificates.capath).iterdir())):
        env.setdefault("UV_SYSTEM_CERTS", "true")  # a company's proxy is known there, and only there
    return env


def is_recent_uv(command: list[str]) -> bool:
    """Whether `command` runs and is a uv that understands this project."""
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    found = re.match(r"uv (\d+)\.(\d+)", done.stdout)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST_UV


def find_uv() -> list[str]:
    """The command that starts uv: the one on PATH, the one in .dev/, or one installed there now."""
    for place in ("uv", str(UV_IN_A_VENV), str(UV_BESIDE)):
        if is_recent_uv([place]):
            return [place]
    say("uv is not on PATH: installing it into .dev/ (20 MB, a few seconds) ...")
    for install in (install_uv_in_a_venv, install_uv_beside):
        installed = install()
        if installed and is_recent_uv(installed):
            return installed
    raise CannotSetUp(
        "uv could not be installed into .dev/ (see above for pip's reason). Install it once, by any of:\n"
        "  apt-get install python3-venv python3-pip    (Debian and Ubuntu), then run this again\n"
        "  curl -LsSf https://astral.sh/uv/install.sh | sh"
    )


def install_uv_in_a_venv() -> list[str] | None:
    """Install uv with the pip that a new virtual environment brings; None where ensurepip is missing."""
    scripts = UV_IN_A_VENV.parent
    if quietly([sys.executable, "-m", "venv", "--clear", str(scripts.parent)]) != 0:
        return None
    if shows_errors([str(scripts / "python"), "-m", "pip", "install", "--quiet", "uv"]) != 0:
        return None
    return [str(UV_IN_A_VENV)]


def install_uv_beside() -> list[str] | None:
    """Install uv with this Python's own pip into a plain folder, for a Debian without python3-venv."""
    target = ["--target", str(UV_BESIDE.parent.parent), "--upgrade", "uv"]
    if shows_errors([sys.executable, "-m", "pip", "install", "--quiet", *target]) != 0:
        return None
    return [str(UV_BESIDE)]


def quietly(command: list[str]) -> int:
    """Run a command that may fail, and show nothing of it."""
    return subprocess.run(command, env=environment(), capture_output=True, check=False).returncode


def shows_errors(command: list[str]) -> int:
    """Run a command of which only the errors are of interest."""
    return subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, check=False).returncode


# --------------------------------------------------------------------------------------------- running things


def say(line: str) -> None:
    """Print at once, so that lines stand before the output of what they announce."""
    print(line, flush=True)


def set_up(uv: list[str], *groups: str, extras: bool = False) -> None:
    """Bring .venv/ to what the lock file says for these dependency groups."""
    if not VENV.exists():
        wanted = " with the tools of: " + ", ".join(groups) if groups else ""
        say(f"Setting up .venv/{wanted}; the first time takes up to a minute ...")
    command = [*uv, "sync", "--quiet", "--inexact", "--no-default-groups"]
    command += ["--frozen"] if (ROOT / "uv.lock").exists() else []
    command += ["--all-extras"] if extras else []
    command += [word for group in groups for word in ("--group", group)]
    if subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode != 0:
        raise CannotSetUp("uv could not set up .venv/; its reason is above. The first run needs a network.")


def inside(uv: list[str], *command: str) -> list[str]:
    """The command as it is run inside .venv/."""
    return [*uv, "run", "--no-sync", *command]


def run(command: list[str], **variables: str) -> int:
    """Run a command in the project's folder with its output on the terminal."""
    return subprocess.run(command, cwd=ROOT, env=environment() | variables, check=False).returncode


# ----------------------------------------------------------------------------------------------- the commands


def demo(arguments: list[str]) -> int:
    """`longshore demo`, with what a user would have installed and nothing more."""
    uv = find_uv()
    set_up(uv)
    code = run(inside(uv, "longshore", "demo", *arguments))
    if code == 0:
        say(f"In this checkout, longshore is {VENV.name}/{'Scripts' if WINDOWS else 'bin'}/longshore.")
    return code


def test(arguments: list[str]) -> int:
    """The whole suite, two files at a time, or what the arguments select, in this process."""
    uv = find_uv()
    set_up(uv, "dev", extras=True)  # tests ask the type checkers too
    chosen = arguments or TWO_FILES_AT_A_TIME
    say("Running: pytest " + " ".join(chosen))
    started = time.monotonic()
    code = run(inside(uv, "pytest", *chosen))
    verdict = "All tests passed" if code == 0 else f"The tests FAILED (pytest's exit code {code})"
    say(f"{verdict} after {time.monotonic() - started:.0f} s.")
    return code


class Step(NamedTuple):
    """One line of `check`: what it decides, and the command that decides it."""

    title: str
    command: list[str]


def check_steps() -> list[Step]:
    """The steps of `check`, quick ones first."""
    return [
        Step("format", ["ruff", "format", "--check", "--quiet", "."]),
        Step("lint", ["ruff", "check", "--quiet", "--output-format", "concise", "."]),
        Step("lock file", ["uv", "lock", "--check", "--quiet", "--default-index", PUBLIC_INDEX]),
        Step("docs up to date", ["python", "-m", "docs.generate", "--check"]),
        Step("floors (import-linter)", ["lint-imports"]),
        Step("types (mypy --strict)", ["mypy"]),
        Step("public types (pyright)", ["python", "tests/rules/public_types.py"]),
        Step(
            "rules and unit tests",
            ["pytest", *TWO_FILES_AT_A_TIME, "tests/rules", "tests/unit"],
        ),
    ]


def check(arguments: list[str]) -> int:
    """Every step, one line each; the output of those that failed; 1 if any did."""
    uv = find_uv()
    set_up(uv, "dev", extras=True)
    steps = check_steps()
    wanted = [step for step in steps if not arguments or step.title.startswith(tuple(arguments))]
    if not wanted:
        say("No such step. Known: " + ", ".join(step.title for step in steps))
        return 2
    started = time.monotonic()
    failed = [step.title for step in wanted if not passes(uv, step)]
    seconds = time.monotonic() - started
    say(f"\ncheck took {seconds:.0f} s: " + ("FAILED: " + ", ".join(failed) if failed else "all ok"))
    return 1 if failed else 0


def passes(uv: list[str], step: Step) -> bool:
    """Run one step and print its line, and its output if it failed."""
    print(f"{step.title:<26}", end="", flush=True)
    started = time.monotonic()
    command = [*uv, *step.command[1:]] if step.command[0] == "uv" else inside(uv, *step.command)
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    say(f"{time.monotonic() - started:6.1f} s  " + ("ok" if done.returncode == 0 else "FAILED"))
    if done.returncode != 0:
        say("\n".join("    " + line for line in (done.stdout + done.stderr).strip().splitlines()))
    return done.returncode == 0


def format_code(arguments: list[str]) -> int:
    """Format everything and apply ruff's safe corrections."""
    uv = find_uv()
    set_up(uv, "dev", extras=True)
    paths = arguments or ["."]
    return run(inside(uv, "ruff", "check", "--fix-only", "--quiet", *paths)) or run(
        inside(uv, "ruff", "format", *paths)
    )


def proof(arguments: list[str]) -> int:
    """Run proofs/NAME.py, or list what there is with its first sentence."""
    known = {path.stem: path for path in sorted((ROOT / "proofs").glob("*.py")) if path.stem[0] != "_"}
    if not arguments:
        for name, path in known.items():
            say(f"  {name:<20} {first_line(path)}")
        if not known:
            say("No proofs yet: each will be a file in proofs/.")
        return 0
    if arguments[0] not in known:
        say(f"No proof {arguments[0]!r}. Known: " + (", ".join(known) or "none yet"))
        return 2
    uv = find_uv()
    set_up(uv, "test", extras=True)
    return run(
        inside(uv, "python", str(known[arguments[0]]), *arguments[1:]), PYTHONPATH=str(ROOT)
    )  # servers/


def first_line(path: Path) -> str:
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def bench(arguments: list[str]) -> int:
    """Run the benchmarks' own entry point."""
    if not (ROOT / "benchmarks" / "run.py").exists():
        say("No benchmarks yet: they will start at benchmarks/run.py.")
        return 2
    uv = find_uv()
    set_up(uv, "test", extras=True)
    return run(inside(uv, "python", "benchmarks/run.py", *arguments), PYTHONPATH=str(ROOT))  # servers/


def docs(arguments: list[str]) -> int:
    """Bring the generated pieces up to date and build the site, or only compare the pieces."""
    uv = find_uv()
    if "--check" in arguments:
        set_up(uv)
        return run(inside(uv, "python", "-m", "docs.generate", "--check"))
    set_up(uv, "docs", extras=True)
    return run(inside(uv, "python", "-m", "docs.generate")) or run(
        inside(uv, "zensical", "build", "--clean", *arguments)
    )


ACTIONS = {
    "demo": demo,
    "test": test,
    "check": check,
    "format": format_code,
    "proof": proof,
    "bench": bench,
    "docs": docs,
}


def main() -> int:
    """Read the command line and run one command; everything after its name belongs to it."""
    parser = argparse.ArgumentParser(
        prog="dev.py",
        description=(__doc__ or "").partition("\n\n")[0].replace("This script", "Longshore's own tool:"),
        epilog="commands:\n" + "\n".join(f"  {name:<8} {text}" for name, text in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="python3 dev.py COMMAND [ARGUMENTS]",
    )
    parser.add_argument("command", nargs="?", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    words = sys.argv[1:]
    parsed = parser.parse_args(words[:1])
    if parsed.command is None:
        parser.print_help()
        return 2
    try:
        return ACTIONS[parsed.command](words[1:])
    except CannotSetUp as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
