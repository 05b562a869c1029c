"""This module looks at a file and its place for what may lose jobs or time."""

import ctypes
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import apsw

from longshore.backends.sqlite.connecting import OLDEST_SQLITE, sqlite_version
from longshore.store.replies import Finding

LARGE_LOG_BYTES = 64 * 1024 * 1024
LOW_DISK_BYTES = 256 * 1024 * 1024
NETWORK_FILE_SYSTEMS = {
    0x6969: "NFS",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB",
    0x517B: "SMB",
    0x01021997: "9P",
    0x00C36400: "Ceph",
    0x5346414F: "AFS",
    0x65735546: "FUSE",
    0x0BD00BD0: "Lustre",
    0x01161970: "GFS2",
}
"""By the magic number of statfs(2). FUSE may be local; what it promises nobody knows."""


def examine(connection: apsw.Connection, *, path: Path, synchronous: str, contents: bool) -> list[Finding]:
    """Everything that is found, worst first."""
    inside = _of_the_contents(connection, path) if contents else ()
    found = [*inside, *_of_the_file(path), *_of_the_settings(synchronous), *_of_the_place(path)]
    return sorted(found, key=lambda finding: finding.level)


def _of_the_contents(connection: apsw.Connection, path: Path) -> Iterator[Finding]:
    report = _quick_check(connection)
    if report != ["ok"]:
        yield Finding(
            level="error",
            code="corrupt",
            problem=f"{path} is damaged: {'; '.join(report)}.",
            remedy="Stop the workers and restore a backup, or save what can be with: sqlite3 FILE .recover",
        )


def _of_the_file(path: Path) -> Iterator[Finding]:
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size > LARGE_LOG_BYTES:
        yield Finding(
            level="warning",
            code="large-wal",
            problem=f"{log} has grown to {log.stat().st_size:,} bytes: some program keeps a read transaction open.",
            remedy="End that program; the log is emptied a second after the last write.",
        )
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield Finding(
            level="warning",
            code="readable-by-others",
            problem=f"Other users of this machine may read or write {path}.",
            remedy=f"chmod 600 {path}",
        )


def _quick_check(connection: apsw.Connection) -> list[str]:
    try:
        return [str(line) for (line,) in connection.execute("PRAGMA quick_check(10)")]
    except apsw.Error as error:  # some damage cannot even be described
        return [str(error)]


def _of_the_settings(synchronous: str) -> Iterator[Finding]:
    if synchronous != "full":
        yield Finding(
            level="warning",
            code="not-synchronous",
            problem="With synchronous=normal a loss of power loses the jobs of the last moments.",
            remedy="Leave ?synchronous=normal out of the URL.",
        )
    if sqlite_version() < OLDEST_SQLITE:
        yield Finding(
            level="error",
            code="old-sqlite",
            problem=f"SQLite {apsw.sqlite_lib_version()} can corrupt a file with several writers.",
            remedy="pip install --upgrade apsw",
        )


def _of_the_place(path: Path) -> Iterator[Finding]:
    system = NETWORK_FILE_SYSTEMS.get(_file_system(path))
    if system is not None:
        yield Finding(
            level="error",
            code="network-file-system",
            problem=f"{path} lies on {system}, where SQLite's locks do not hold and jobs may be lost or run twice.",
            remedy="Move it to a local disk, or use PostgreSQL or Redis.",
        )
    free = shutil.disk_usage(path.parent).free
    if free < LOW_DISK_BYTES:
        yield Finding(
            level="warning",
            code="low-disk",
            problem=f"Only {free:,} bytes are free under {path.parent}.",
            remedy="Make room: with a full disk nothing can be added or settled.",
        )


def _file_system(path: Path) -> int:
    """The magic number of the file system; 0 where the system does not say (it is Linux that does)."""
    if os.uname().sysname != "Linux":
        return 0
    answer = (ctypes.c_long * 32)()
    library = ctypes.CDLL(None, use_errno=True)
    if library.statfs(os.fsencode(path), ctypes.byref(answer)) != 0:
        return 0
    return answer[0] & 0xFFFFFFFF
