"""This module finds the manager that `MODULE:MANAGER` names, and says clearly why it cannot."""

import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType

from longshore.cli.failures import Failure, Misuse
from longshore.manager.manager import QueueManager


def load_manager(target: str) -> QueueManager:
    """The manager of an application, its module imported with the working directory on the path.

    `MODULE` alone is enough where the module has just one manager. Raises Misuse for a name that leads nowhere, and
    Failure when the module's own code raises.
    """
    module_name, _, attribute = target.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise Misuse(f"'{target}' is not MODULE:MANAGER, such as app:manager or shop.jobs:manager.")
    module = _module(module_name)
    if not attribute:
        attribute = _only_manager(module)
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise Misuse(_no_attribute(module, attribute))
        found = getattr(found, part)
    if not isinstance(found, QueueManager):
        raise Misuse(
            f"{module_name}:{attribute} is a {type(found).__name__}, not a QueueManager.{_managers(module)}"
        )
    return found


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise Misuse(_no_module(name, Path(here))) from error
        raise _broken(name, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(name, error) from error


def _no_module(name: str, here: Path) -> str:
    known = sorted(
        {path.stem for path in here.glob("*.py")} | {path.parent.name for path in here.glob("*/__init__.py")}
    )
    near = get_close_matches(name.partition(".")[0], known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else " Start in the directory that holds it, or install it."
    return f"No module '{name}' in {here} or among the installed packages.{hint}"


def _broken(name: str, error: BaseException) -> Failure:
    """The module is there and its code raised: where, in the last line that is not Python's own import machinery."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename
    ]
    line = error.lineno if isinstance(error, SyntaxError) else None
    place = (
        f"{error.filename}:{line}"
        if isinstance(error, SyntaxError)
        else f"{frames[-1].filename}:{frames[-1].lineno}"
    )
    return Failure(f"Importing '{name}' raised {type(error).__name__}: {error} ({place})")


def _no_attribute(module: ModuleType, attribute: str) -> str:
    near = get_close_matches(attribute, [name for name in vars(module) if name[0] != "_"], n=1)
    hint = f" Did you mean '{near[0]}'?" if near else _managers(module)
    return f"Module '{module.__name__}' has no '{attribute}'.{hint}"


def _only_manager(module: ModuleType) -> str:
    names = _names_of_managers(module)
    if len(names) == 1:
        return names[0]
    raise Misuse(f"Say which manager: {module.__name__}:NAME.{_managers(module)}")


def _managers(module: ModuleType) -> str:
    names = _names_of_managers(module)
    if not names:
        return f" Module '{module.__name__}' holds no QueueManager."
    return " Its managers: " + ", ".join(f"{module.__name__}:{name}" for name in names) + "."


def _names_of_managers(module: ModuleType) -> list[str]:
    return sorted(name for name, value in vars(module).items() if isinstance(value, QueueManager))
