"""This module finds whom a server runs as: PostgreSQL refuses root, so root borrows another account for it."""

import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

BORROWED = ("postgres", "nobody")


class Account(NamedTuple):
    """A user of this machine, by numbers."""

    uid: int
    gid: int

    def reaches(self, path: Path) -> bool:
        """Whether it may enter every folder on the way to `path`, and look into it."""
        way = [path, *path.parents]
        return all(self._may(each, stat.S_IXUSR if each.is_dir() else stat.S_IRUSR) for each in way)

    def _may(self, path: Path, owners_bit: int) -> bool:
        about = path.stat()
        shift = 0 if about.st_uid == self.uid else 3 if about.st_gid == self.gid else 6
        return bool(about.st_mode & (owners_bit >> shift))


def borrowed() -> Account | None:
    """The account that root lends to PostgreSQL; None when we are not root and need none."""
    if os.geteuid() != 0:
        return None
    for name in BORROWED:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid)
    return Account(65534, 65534)


def data_folder(wanted: Path, account: Account | None) -> Path:
    """An empty folder for a server's data: inside `wanted`, or where the account can reach it; the account's own."""
    wanted.mkdir(parents=True, exist_ok=True)
    if account is None:
        return Path(tempfile.mkdtemp(prefix="data-", dir=wanted))
    folder = Path(tempfile.mkdtemp(prefix="longshore-", dir=wanted if account.reaches(wanted) else None))
    os.chown(folder, *account)
    return folder


def readable(root: Path, parts: tuple[str, ...], account: Account | None) -> Path:
    """The folder `root`, or a copy of these parts of it where the account can read them, made once for each version."""
    if account is None or account.reaches(root / parts[0]):
        return root
    about = (root / parts[0]).stat()
    copies = Path(tempfile.gettempdir(), f"longshore-servers-{os.geteuid()}")
    copies.mkdir(exist_ok=True)
    if copies.stat().st_uid != os.geteuid():
        message = f"{copies} belongs to somebody else; remove it."
        raise PermissionError(message)
    copies.chmod(0o755)
    copy = copies / f"{Path(parts[0]).name}-{about.st_ino}-{about.st_mtime_ns}"
    if not copy.exists():
        half = Path(tempfile.mkdtemp(dir=copies))
        half.chmod(0o755)
        for part in parts:
            shutil.copytree(root / part, half / part, symlinks=True)
        try:
            half.rename(copy)  # at once, so that nobody starts half a program
        except OSError:  # another process of the tests was faster
            shutil.rmtree(half)
    return copy
