"""This module becomes a server: it gives up rights, asks to die with its parent, and executes the server's binary.

    python launcher.py PARENT SIGNAL UID:GID COMMAND…     (an empty UID:GID keeps the user)

A script of its own, because this must happen between fork and exec, where Python code is not safe in a process that has
threads, and in this order: a change of user forgets whom to die with.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(parent: str, death_signal: str, user: str, *command: str) -> None:
    """Does not return. `death_signal` is sent to the server when the thread that started it is no more; Linux only."""
    os.umask(0o077)
    if user:
        uid, gid = map(int, user.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != int(parent):  # it ended before we asked
            sys.exit("the process that wanted this server is gone")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
