"""This module starts PostgreSQL: a cluster of its own in a folder, behind a password, on a port of the loopback."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from servers import binaries
from servers.accounts import Account, borrowed, data_folder, readable
from servers.ports import free_port
from servers.server import CannotStart, Server, first_to_start

DURABLE: Mapping[str, str] = {"fsync": "on", "full_page_writes": "on"}
"""PostgreSQL's own defaults."""

LEAN: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "400",
    "shared_buffers": "64MB",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "log_statement": "none",
}
REPLICATING: Mapping[str, str] = {"wal_level": "replica", "max_wal_senders": "4"}
"""Settings of a primary that standbys follow."""

READY = ["ready", "standby"]


def postgres_versions() -> list[str]:
    """The major versions that can be started here, the oldest first, such as ["15", "16", "18"].

    Raises CannotStart, which names the way out, when there are fewer than two.
    """
    found = list(binaries.postgres())
    if len(found) < 2:
        raise CannotStart(binaries.ways_out("PostgreSQL", found))
    return found


def start_postgres(version: str, folder: Path, *, settings: Mapping[str, str] | None = None) -> Server:
    """A fresh PostgreSQL of this major version, as safe as PostgreSQL's own settings are unless told otherwise: fsync
    costs tests nothing that could be measured, and workers refuse a store without it. Its log goes into `folder`.

    Raises CannotStart.
    """
    account = borrowed()
    programs = _programs(version, account)
    data, password = data_folder(folder, account), secrets.token_hex(16)
    _initdb(programs, data, password, account)
    stated = {**LEAN, **(settings or {})}
    try:
        return first_to_start(lambda: _server(programs, data, password, stated, account, folder, version))
    except CannotStart:
        shutil.rmtree(data)
        raise


def start_standby(primary: Server, folder: Path) -> Server:
    """A standby of a primary that was started as REPLICATING; `SELECT pg_promote()` makes it one itself.

    Raises CannotStart.
    """
    account = borrowed()
    programs, data = _programs(primary.version, account), data_folder(folder, account)
    password = urlsplit(primary.url).password or ""
    copying: list[str | Path] = ["--pgdata", data, "--dbname", primary.url, "--write-recovery-conf"]
    copying += ["--checkpoint=fast", "--no-sync"]
    try:
        _run([programs / "pg_basebackup", *copying], account)
        stated = {**LEAN, **REPLICATING}
        return first_to_start(
            lambda: _server(programs, data, password, stated, account, folder, primary.version)
        )
    except CannotStart:
        shutil.rmtree(data)
        raise


def _programs(version: str, account: Account | None) -> Path:
    known = binaries.postgres()
    if version not in known:
        message = f"No PostgreSQL {version} here. Known: {', '.join(known) or 'none'}."
        raise CannotStart(message)
    place, wheel = known[version], binaries.postgres_wheel_root()
    if wheel is None or not place.is_relative_to(wheel):
        return place
    parts = (
        str(place.parent.relative_to(wheel)),
        f"{binaries.POSTGRES_WHEEL}.libs",
    )  # found by a relative RPATH
    present = tuple(part for part in parts if (wheel / part).exists())
    return readable(wheel, present, account) / place.relative_to(wheel)


def _initdb(programs: Path, data: Path, password: str, account: Account | None) -> None:
    """Passwords, because whoever may log in as the owner of a database may run programs as the account behind it."""
    secret = data.with_name(f"{data.name}.password")
    secret.touch(mode=0o600)
    secret.write_text(password)
    if account:
        os.chown(secret, *account)
    command: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "longshore",
        "--pwfile",
        secret,
        "--auth=password",
    ]
    command += ["--encoding=UTF8", "--locale=C", "--no-sync"]
    try:
        _run(command, account)
    finally:
        secret.unlink()


def _run(command: Sequence[str | Path], account: Account | None) -> None:
    """Runs one of PostgreSQL's programs as the account. Raises CannotStart."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0:
        message = f"{command[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}"
        raise CannotStart(message)


def _server(
    programs: Path,
    data: Path,
    password: str,
    settings: Mapping[str, str],
    account: Account | None,
    folder: Path,
    version: str,
) -> Server:
    port = free_port()
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Server(
        [str(programs / "postgres"), "-D", str(data), "-p", str(port), *options],
        url=f"postgresql://longshore:{password}@127.0.0.1:{port}/postgres",
        version=version,
        port=port,
        log=folder / f"{data.name}.log",
        is_ready=lambda server: _is_ready(server, data),
        account=account,
        stop_signal=signal.SIGINT,  # "fast": does not wait for clients
        death_signal=signal.SIGQUIT,  # "immediate": it takes its children with it
        closing=lambda: shutil.rmtree(data, ignore_errors=True),
    )


def _is_ready(server: Server, data: Path) -> bool:
    """As pg_ctl asks: line 1 of the pid file is the process, line 8 its state."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(server.pid) and lines[7].strip() in READY
