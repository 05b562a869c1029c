"""How a worker process is kept small."""

import ctypes
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

PROGRAM = """
import ctypes, threading
from longshore.cli.memory import bound_arenas

bound_arenas()
libc = ctypes.CDLL(None)
begun = threading.Barrier(9)

def allocate():
    begun.wait()
    libc.malloc(5000)
    begun.wait()

for _ in range(8):
    threading.Thread(target=allocate, daemon=True).start()
begun.wait()
begun.wait()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.parametrize(("told", "arenas"), [({}, 2), ({"MALLOC_ARENA_MAX": "3"}, 3)])
def test_threads_share_two_arenas_unless_the_environment_says_otherwise(told, arenas):
    assert hasattr(ctypes.CDLL(None), "malloc_info"), "these tests need glibc"
    written = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, check=True, env=told, timeout=30
    ).stdout
    assert len(ET.fromstring(written).findall("heap")) == arenas
