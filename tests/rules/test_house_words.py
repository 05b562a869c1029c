"""Words: nothing that was only true on the machine where a change was made."""

import re

from tests.rules.sources import ROOT, files, shown, text

MACHINE = re.compile(
    r"(?<![\w.:/])/(work|opt/pypi[\w-]*|opt/wheels)/"  # folders of one machine
    r"|\bshared/(api|design|style|features|targets|research|seeds|hooks|bench)\b"
    r"|(?<!\w)\.(lib[r]ary|mir[r]or)/"
)


def machine_words(content: str) -> list[int]:
    """Lines that name a path of one machine."""
    return [number for number, line in enumerate(content.splitlines(), 1) if MACHINE.search(line)]


def foreign_hosts(lock: str) -> set[str]:
    """Hosts in a lock file other than the public index: nobody else could install from them."""
    return set(re.findall(r"\w+://([^/\"]*)", lock)) - {"pypi.org", "files.pythonhosted.org"}


def test_the_lock_file_names_the_public_index_only():
    lock = text(ROOT / "uv.lock")
    assert foreign_hosts(lock) == set()
    assert "pypi.org" in lock


def test_a_planted_private_registry_is_found():
    assert foreign_hosts('registry = "https://pypi.internal/simple"\nurl = "https://pypi.org/simple"') == {
        "pypi.internal"
    }


def test_no_file_names_a_path_of_one_machine():
    found = {
        shown(path): machine_words(text(path)) for path in files() if path.suffix not in {".png", ".ico"}
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_planted_paths_are_found():
    planted = ["/{}ork/main".format("w"), "see sha{}/style.md".format("red")]
    assert [machine_words(line) for line in planted] == [[1], [1]]


def test_paths_of_a_url_or_of_a_package_pass():
    assert machine_words("https://example.com/{0}/1 src/{0}/x sqlite:///jobs.db".format("wo" + "rk")) == []
