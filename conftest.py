"""This module makes pytest execute README.md and the docs, page by page, each page in a folder of its own.

    ```python      runs; one that begins with a comment that names a file, `# shop.py`, is saved as that file instead
    ```console     runs each line that begins with `$ `, and compares what it prints; one that ends in ` &` goes on
                   until the page ends, and gets SIGTERM then
    ```output      is compared with what the Python block before it printed

What a page shows as `…` may be anything: an id, a time, some lines. Where it says redis://localhost:6379/0, a durable
server is there that runs for the docs only; a page of SERVED finds one in its environment.
"""

import atexit
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, SkipParser
from sybil.region import Lexeme

from servers import redis_versions, running, start_redis
from servers.redis import DURABLE

FILE_NAME = re.compile(r"# (\S+\.\w+)\n")
COMMAND_SECONDS = 30

PAGE_REDIS = "redis://localhost:6379/0"

run_python = PythonEvaluator()


def postgres_environment() -> dict[str, str]:
    """PostgreSQL's own variables for an empty database."""
    import psycopg  # most runs need neither it nor a server

    url = urlsplit(running.postgres().url)
    name = f"page_{uuid.uuid4().hex}"
    with psycopg.connect(url.geturl(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return {
        "PGHOST": url.hostname or "",
        "PGPORT": str(url.port),
        "PGUSER": url.username or "",
        "PGPASSWORD": url.password or "",
        "PGDATABASE": name,
    }


SERVED: dict[str, Callable[[], dict[str, str]]] = {"postgresql.md": postgres_environment}
"""By the name of a page: what its environment says of a server that is started for it."""


def python(example: Example) -> None:
    """Runs the block, or saves it as the file that it names."""
    serve(example)
    if named := FILE_NAME.match(example.parsed):
        Path(named[1]).write_text(example.parsed, encoding="utf-8")
        return
    if PAGE_REDIS in example.parsed:
        real = example.parsed.replace(PAGE_REDIS, real_redis())
        example.parsed = Lexeme(real, example.parsed.offset, example.parsed.line_offset)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        run_python(example)
    example.namespace["page_printed"] = printed.getvalue()


@cache
def real_redis() -> str:
    """The URL of the server that pages talk to; it ends with the run."""
    folder = tempfile.TemporaryDirectory()
    server = start_redis(redis_versions()[-1], Path(folder.name), settings=DURABLE)
    atexit.register(folder.cleanup)
    atexit.register(server.close)
    return server.url


def console(example: Example) -> None:
    """Runs each command of the block in the page's folder."""
    serve(example)
    for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n?)*)", example.parsed, re.MULTILINE):
        if command.endswith(" &"):
            example.namespace["page_processes"].append(start(command.removesuffix(" &")))
            continue
        done = subprocess.run(
            command,
            shell=True,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            env=plain_environment(),
        )
        compare(expected, done.stdout)


def serve(example: Example) -> None:
    """Starts the server that the page wants, once."""
    wanted = SERVED.get(Path(example.path).name)
    if wanted is not None and not example.namespace["is_served"]:
        example.namespace["is_served"] = True
        os.environ.update(wanted())


def start(command: str) -> subprocess.Popen[bytes]:
    """A command that goes on in the background; `exec` so that a signal reaches it and not a shell."""
    return subprocess.Popen(
        f"exec {command}",
        shell=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=plain_environment(),
    )


def output(example: Example) -> None:
    """Compares with what the last Python block printed."""
    compare(example.parsed, example.namespace["page_printed"])


def compare(expected: str, printed: str) -> None:
    """Raises AssertionError unless they are equal but for `…` and the width of gaps."""
    pattern, text = narrow(expected), narrow(printed)
    anything = re.escape(pattern).replace("…", ".*?")
    assert re.fullmatch(anything, text, re.DOTALL), f"The page says:\n{pattern}\n\nIt prints:\n{text}"


def narrow(text: str) -> str:
    """The text with one space for many, and none at the ends of lines."""
    return re.sub(r" +$", "", re.sub(r" +", " ", text), flags=re.MULTILINE).strip()


def plain_environment() -> dict[str, str]:
    """The environment for commands: this Python first, nobody's settings, a wide terminal."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")}
    here = str(Path(sys.executable).parent)
    return {**own, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}


def enter_a_new_folder(namespace: dict[str, Any]) -> None:
    """What a page writes, jobs.db for one, stays out of the checkout, and what it sets out of the next page."""
    namespace["page_environment"] = dict(os.environ)
    namespace["is_served"] = False
    namespace["page_folder"] = tempfile.TemporaryDirectory()
    namespace["page_processes"] = []
    namespace["folder_before"] = Path.cwd()
    os.chdir(namespace["page_folder"].name)


def leave_the_folder(namespace: dict[str, Any]) -> None:
    """Go back, end what still runs, and forget what the page wrote."""
    os.environ.clear()
    os.environ.update(namespace["page_environment"])
    os.chdir(namespace["folder_before"])
    codes = [end(process) for process in namespace["page_processes"]]
    namespace["page_folder"].cleanup()
    assert not any(codes), f"a command in the background ended with these exit codes: {codes}"


def end(process: subprocess.Popen[bytes]) -> int:
    """Lets a process end by SIGTERM, and kills one that does not; its exit code."""
    process.terminate()
    try:
        return process.wait(COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait() or 1


pytest_collect_file = Sybil(
    parsers=[
        CodeBlockParser("python", python),
        CodeBlockParser("console", console),
        CodeBlockParser("output", output),
        SkipParser(),
    ],
    patterns=["docs/**/*.md", "docs/*.md"],
    filenames=["README.md"],
    setup=enter_a_new_folder,
    teardown=leave_the_folder,
).pytest()
