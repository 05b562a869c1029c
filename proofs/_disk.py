"""This module is a disk whose power can be cut: a file system on a loop device, and a copy of the file behind it.

What a program wrote and did not flush is in the kernel's memory and not in that file. So a copy of the file, taken
while the programs stand still, is what a machine finds after a loss of power. Linux as root only.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

SIZE_MB = 384
PATIENCE_SECONDS = 10.0


def why_not() -> str:
    """What keeps this machine from it; empty when nothing does."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it takes root on Linux to mount a loop device"
    lacking = [tool for tool in ("mkfs.ext4", "mount", "umount") if shutil.which(tool) is None]
    if lacking:
        return f"{', '.join(lacking)} is not on PATH"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    return ""


class Disk:
    """A file with a file system in it."""

    def __init__(self, image: Path) -> None:
        self.image = image

    @classmethod
    def make(cls, image: Path) -> "Disk":
        """An empty one. Nothing is written by the kernel's own clock while a proof lasts (commit=300 below)."""
        with image.open("wb") as file:
            file.truncate(SIZE_MB * 1_000_000)
        _run("mkfs.ext4", "-q", "-F", str(image))
        return cls(image)

    @contextlib.contextmanager
    def mounted(self, at: Path) -> Iterator[Path]:
        """The folder by which it is reached, until the block ends; any account may enter it."""
        at.mkdir(exist_ok=True)
        _run("mount", "-o", "loop,commit=300", str(self.image), str(at))
        try:
            at.chmod(0o755)
            yield at
        finally:
            _unmount(at)

    def cut(self, image: Path) -> "Disk":
        """What would be there if the power went now."""
        shutil.copyfile(self.image, image)
        return Disk(image)


def _unmount(folder: Path) -> None:
    """Processes that were killed let go of their files a little later."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            _run("umount", str(folder))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def flush(folder: Path) -> None:
    """Everything that was written to this folder's disk is on it."""
    _run("sync", "-f", str(folder))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = f"{' '.join(command)} failed: {done.stderr.strip()}"
        raise OSError(message)
