"""This module starts PgBouncer in transaction mode before a PostgreSQL: one client's statements reach many sessions."""

import os
import shutil
import socket
from pathlib import Path
from urllib.parse import urlsplit

from servers.accounts import Account, borrowed, data_folder
from servers.ports import free_port
from servers.server import Server, first_to_start
from servers.transaction_pool import TransactionPool

POOL_SIZE = 4
BESIDE_PATH = "/usr/sbin:/usr/local/sbin:/opt/homebrew/bin"

SETTINGS = """\
[databases]
{database} = host={host} port={port} user={user} password={password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
"""


def start_pgbouncer(url: str, folder: Path) -> Server | TransactionPool:
    """PgBouncer before the PostgreSQL of this URL, from PATH; where there is none, our own pool, which treats clients
    alike. Its `url` has the same user, password and database. Raises CannotStart.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path=BESIDE_PATH)
    if program is None:
        return TransactionPool(url, size=POOL_SIZE)
    account = borrowed()
    return first_to_start(lambda: _server(program, url, folder, account))


def _server(program: str, url: str, folder: Path, account: Account | None) -> Server:
    target, port, place = urlsplit(url), free_port(), data_folder(folder, account)
    users, settings = place / "users.txt", place / "pgbouncer.ini"
    database = target.path.lstrip("/")
    users.write_text(f'"{target.username}" "{target.password or ""}"\n')
    stated = SETTINGS.format(
        database=database,
        host=target.hostname,
        port=target.port,
        user=target.username,
        password=target.password or "",
        own_port=port,
        users=users,
        size=POOL_SIZE,
    )
    settings.write_text(stated)
    for each in (users, settings):
        each.chmod(0o600)
        if account:
            os.chown(each, *account)
    return Server(
        [program, str(settings)],
        url=f"postgresql://{target.username}:{target.password or ''}@127.0.0.1:{port}/{database}",
        version="pgbouncer",
        port=port,
        log=folder / f"{place.name}.log",
        is_ready=lambda server: _accepts(server.port),
        account=account,
        closing=lambda: shutil.rmtree(place, ignore_errors=True),
    )


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
