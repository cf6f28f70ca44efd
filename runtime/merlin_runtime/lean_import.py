"""scikit-learn without pandas behind it.

`sklearn.utils.fixes` imports pandas (and pandas pyarrow) only to keep a name that nothing of scikit-learn 1.9 reads:
62 MB and 0.4 s in every pod, while most models get arrays here. So pandas is hidden for that one import, and
everything is as if it had never been hidden once somebody imports pandas for real.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def import_sklearn() -> None:
    """Import scikit-learn's base; pandas stays importable. Call it before other threads import anything."""
    if "pandas" in sys.modules or "sklearn" in sys.modules:
        return
    modules: dict[str, Any] = sys.modules
    modules["pandas"] = None
    try:
        import_module("sklearn.utils.fixes")
    finally:
        del modules["pandas"]


def import_pandas() -> Any:
    """pandas, now also known to scikit-learn if that was imported without."""
    pandas = import_module("pandas")
    fixes = sys.modules.get("sklearn.utils.fixes")
    if fixes is not None and getattr(fixes, "pd", pandas) is None:
        vars(fixes)["pd"] = pandas
    return pandas
