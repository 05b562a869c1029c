"""This script asks pyright whether users of `longshore` see a type on everything that they can reach.

A type that pyright cannot tell is refused anywhere in the package. One that another checker might infer differently is
refused on the public names only: inside, mypy's inference is the one that counts. It is a script and no test because
pyright is a tool for developers, not needed to run the suite.
"""

import json
import subprocess
import sys
from typing import Any

import longshore


def public_prefixes() -> list[str]:
    """The public names as pyright calls them: by where they are defined."""
    found = []
    for name in longshore.__all__:
        thing = getattr(longshore, name)
        found.append(f"{getattr(thing, '__module__', 'longshore')}.{getattr(thing, '__qualname__', name)}")
    return found


def problems(symbols: list[dict[str, Any]], public: list[str]) -> list[str]:
    """What is wrong with the symbols of a report, one line each."""
    found = []
    for symbol in symbols:
        name = symbol["name"]
        is_public = any(name == prefix or name.startswith(prefix + ".") for prefix in public)
        reasons = [each["message"].partition("\n")[0] for each in symbol["diagnostics"]]
        if symbol["isTypeAmbiguous"]:
            refused = (
                is_public and reasons != []
            )  # without a reason it is a class, refused for its attributes
        else:
            refused = not symbol["isTypeKnown"]
        if refused:
            found.append(f"{name}: " + "; ".join(reasons))
    return found


def main() -> int:
    """Run pyright and print what is wrong; returns the exit code."""
    command = ["pyright", "--verifytypes", "longshore", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    if not report["typeCompleteness"]["modules"]:
        print("pyright did not find the package:", report["generalDiagnostics"])
        return 1
    found = problems(report["typeCompleteness"]["symbols"], public_prefixes())
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
