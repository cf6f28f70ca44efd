"""`python -m bench [NAME …]`: run the benchmarks of those names, or all of them, and write the page of results."""

from __future__ import annotations

import importlib
import sys

NAMES = ["runtime", "platform", "gateway", "console", "setup"]


def main(names: list[str]) -> None:
    """Run each benchmark's ``main``; one that fails does not keep the others from running."""
    unknown = [name for name in names if name not in [*NAMES, "page"]]
    if unknown:
        sys.exit(f"No benchmark is called {', '.join(unknown)}. There are: {', '.join(NAMES)}.")
    sys.argv[1:] = []  # theirs are read by those that have options, when they are run alone
    failed = []
    for name in names or NAMES:
        try:
            importlib.import_module(f"bench.{name}").main()
        except (Exception, SystemExit) as error:  # noqa: BLE001 (told below; the others are run all the same)
            failed.append(f"{name}: {error}")
    importlib.import_module("bench.page").main()
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main(sys.argv[1:])
