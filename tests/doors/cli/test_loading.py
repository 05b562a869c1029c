"""MODULE:MANAGER: found below the working directory, and every way to be wrong named."""

import sys
from pathlib import Path

import pytest

from longshore.cli.failures import Failure, Misuse
from longshore.cli.loading import load_manager
from longshore.manager.manager import QueueManager

APP = "from longshore.manager.manager import QueueManager\nmanager = QueueManager('memory://')\nnumber = 7\n"


@pytest.fixture(autouse=True)
def application(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application in the working directory, forgotten afterwards."""
    (nowhere / "shop_app.py").write_text(APP)
    (nowhere / "two_managers.py").write_text(APP + "other = QueueManager('memory://')\n")
    (nowhere / "broken_app.py").write_text("x = 1\nraise ValueError('planted')\n")
    (nowhere / "missing_import.py").write_text("import no_such_package\n")
    (nowhere / "bad_syntax.py").write_text("def f(:\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return nowhere


def test_a_manager_is_found_below_the_working_directory():
    assert isinstance(load_manager("shop_app:manager"), QueueManager)


def test_the_name_may_be_left_out_where_there_is_only_one():
    assert load_manager("shop_app") is load_manager("shop_app:manager")


@pytest.mark.parametrize(
    ("target", "kind", "words"),
    [
        ("shop-app:manager", Misuse, "is not MODULE:MANAGER"),
        ("shop_ap:manager", Misuse, "Did you mean 'shop_app'?"),
        ("shop_app:manger", Misuse, "Did you mean 'manager'?"),
        ("shop_app:number", Misuse, "is a int, not a QueueManager. Its managers: shop_app:manager."),
        ("two_managers", Misuse, "two_managers:manager, two_managers:other"),
        ("broken_app:manager", Failure, "raised ValueError: planted"),
        ("missing_import:manager", Failure, "No module named 'no_such_package'"),
        ("bad_syntax:manager", Failure, "bad_syntax.py:1"),
    ],
)
def test_every_way_to_be_wrong_is_named(target: str, kind: type[Exception], words: str):
    with pytest.raises(kind, match=r".*") as caught:
        load_manager(target)
    assert words in str(caught.value)


def test_where_a_module_raised_is_told():
    with pytest.raises(Failure, match=r"broken_app\.py:2"):
        load_manager("broken_app:manager")
