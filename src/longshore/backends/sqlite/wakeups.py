"""This module wakes listeners: in this process by a call into their event loop, in others by a datagram.

Each listener of another process has a Unix socket in a folder beside the file. Its name says who it is and what it
wants to hear (`1234-9f3c01aa-cp`: process 1234, cancel and pending), so nobody has to ask. It wakes in 0.8 ms and
costs nothing while nothing happens; polling `PRAGMA data_version` every millisecond costs 1.6 s of CPU a minute.
"""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import socket
import stat
import tempfile
import threading
from collections.abc import Collection, Iterable
from pathlib import Path

from longshore.backends.sqlite.listening import SqliteListener
from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.store.replies import Wake, WakeKind

LETTERS = {WakeKind.PENDING: "p", WakeKind.FINISHED: "f", WakeKind.CANCEL: "c", WakeKind.SCHEDULED: "s"}
LONGEST_ADDRESS = 100
"""Bytes of a socket's path; the limit is 104 to 108, by system."""
LONGEST_NAME = 24
TRIES = 10
UNREADY = "+"
"""At the end of the name of a socket that does not hear yet; no name that anybody rings has it."""
SETTLED_SECONDS = 0.1
"""A folder's time of change is only as fine as the kernel's tick (4 ms); a listing may be kept when it is older."""
_NAME = re.compile(r"\d+-[0-9a-f]+-([pfcs]+)")


def wake_folder(path: Path) -> Path:
    """Where the sockets for a file are: beside it, or for a long path in a short folder that its hash names."""
    folder = path.with_name(path.name + ".wake")
    if len(os.fsencode(folder)) + 1 + LONGEST_NAME <= LONGEST_ADDRESS:
        return folder
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"longshore-{os.geteuid()}-{digest}"


class Bell:
    """Rings for the listeners of one file, those of this store and those of everybody else."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._folder = wake_folder(path)
        self._clock = clock
        self._lock = threading.Lock()
        self._listeners: dict[str, SqliteListener] = {}
        self._known: list[tuple[str, str]] = []
        self._changed_ns = 0
        self._is_settled = False
        self._sender: socket.socket | None = None

    def join(
        self, kinds: Collection[WakeKind], queues: Collection[str] | None, clock: Clock
    ) -> SqliteListener:
        """A new listener for the running event loop. Raises StoreUnavailable where the folder belongs to another."""
        letters = "".join(sorted({LETTERS[kind] for kind in kinds}))
        name = f"{os.getpid()}-{secrets.token_hex(4)}-{letters or 'p'}"
        with self._lock:  # the writer must not see the socket before it knows that it is ours
            address = self._folder / name
            wake_socket = self._bound(address)
            listener = SqliteListener(wake_socket, kinds, queues, clock, self._leave, address=address)
            self._listeners[name] = listener
        return listener

    def _bound(self, address: Path) -> socket.socket:
        """A socket of that name. Another process may just be removing the folder that it found empty.

        The kernel makes the file first and lets the socket hear afterwards. Whoever rang in between would take it for
        that of a dead process and tidy it up, so it gets the name that others ring only when it hears.
        """
        unready = address.with_name(address.name.partition("-")[2] + UNREADY)
        for _ in range(TRIES):
            wake_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            wake_socket.settimeout(0)
            try:
                self._make_folder()
                wake_socket.bind(str(unready))
                unready.chmod(0o600)
                unready.rename(address)
            except FileNotFoundError:
                wake_socket.close()
            except BaseException:
                wake_socket.close()
                raise
            else:
                return wake_socket
        raise StoreUnavailable("unreachable", f"{self._folder} is removed again and again")

    def ring(self, wakes: Iterable[Wake]) -> None:
        """Tells those who want to hear. Called by the writer after a commit; a wake-up that fails is lost."""
        wakes = list(wakes)
        with self._lock:
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener.offer(wakes)
        for name, letters in self._others():
            wanted = [wake for wake in wakes if LETTERS[wake.kind] in letters]
            if wanted:
                self._send(name, wanted)

    def close(self) -> None:
        """Ends all listeners of this store."""
        with self._lock:
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener.end_with_store()

    def hang_up(self) -> None:
        """Lets go of the socket that rings, and of the folder if nobody else listens there; called when the writer
        has ended and nobody can ring any more."""
        with contextlib.suppress(OSError):
            self._folder.rmdir()
        if self._sender is not None:
            self._sender.close()

    def _leave(self, listener: SqliteListener) -> None:
        with self._lock:
            self._listeners.pop(listener.address.name, None)

    def _others(self) -> list[tuple[str, str]]:
        """Names of foreign sockets, with what they want to hear. Listed again only when the folder has changed."""
        try:
            changed_ns = self._folder.stat().st_mtime_ns
            if changed_ns == self._changed_ns and self._is_settled:
                return self._known
            names = [socket_file.name for socket_file in self._folder.iterdir()]
        except OSError:  # no folder, or swept away by whoever tidies temporary files
            return []
        found = [(name, match[1]) for name in names if (match := _NAME.fullmatch(name))]
        with self._lock:
            self._known = [each for each in found if each[0] not in self._listeners]
        self._changed_ns = changed_ns
        self._is_settled = self._clock.now_ms() - changed_ns // 1_000_000 > SETTLED_SECONDS * 1000
        return self._known

    def _send(self, name: str, wakes: list[Wake]) -> None:
        if self._sender is None:
            self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._sender.settimeout(0)
        address = self._folder / name
        message = "\n".join(LETTERS[wake.kind] + wake.queue for wake in wakes).encode()
        try:
            self._sender.sendto(message, str(address))
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:  # its process is gone and could not tidy up
                with contextlib.suppress(OSError):
                    address.unlink()
            # a full socket has wake-ups enough, and any other is on its way out: polling stays the truth

    def _make_folder(self) -> None:
        folder = self._folder
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise StoreUnavailable("unreachable", f"{folder} is not a folder of this user; remove it")
