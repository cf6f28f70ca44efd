"""What Merlin uses of kubernetes_asyncio, without its 900 modules of typed models and APIs.

Importing the library's client costs 37 MB and 0.2 s of processor in each of api, worker and watcher, nearly all of it
for types that Merlin, which speaks raw JSON, never touches. So the library's packages are entered here without running
their ``__init__``, which would import everything; it runs later by itself should anybody ask such a package for
something that only it defines (``kubernetes_asyncio.client.V1Pod``). Where a release is laid out in another way, the
library is imported as usual: that is slower, and all works.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

_LIBRARY = "kubernetes_asyncio"
_DEFERRED = (_LIBRARY, f"{_LIBRARY}.client", f"{_LIBRARY}.client.models")


class _Deferred(ModuleType):
    """A package that is there, with its modules, and whose ``__init__`` runs when something of it is missed."""

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        if name.startswith("__") or spec is None or spec.loader is None:
            raise AttributeError(name)
        self.__class__ = ModuleType  # type: ignore[assignment]  # once: from here on it is as any other package
        spec.loader.exec_module(self)
        return getattr(self, name)


def _enter_packages() -> None:
    for name in _DEFERRED:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.submodule_search_locations is None:
            raise ImportError(f"{name} is no package", name=name)
        package = _Deferred(name)
        package.__spec__, package.__path__ = spec, list(spec.submodule_search_locations)
        package.__file__, package.__package__, package.__loader__ = spec.origin, name, spec.loader
        sys.modules[name] = package
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, package)


def _import_lean() -> None:
    _enter_packages()
    client = sys.modules[f"{_LIBRARY}.client"]
    # In the order in which they need each other: what is missing in a package would run its __init__.
    for module, names in (
        ("exceptions", ("ApiException",)),
        ("configuration", ("Configuration",)),
        ("rest", ()),
        ("api_client", ("ApiClient",)),
    ):
        found = importlib.import_module(f"{_LIBRARY}.client.{module}")
        for name in names:
            setattr(client, name, getattr(found, name))
    importlib.import_module(f"{_LIBRARY}.config")


def _import() -> None:
    if _LIBRARY in sys.modules:
        return
    try:
        _import_lean()
    except (ImportError, AttributeError):
        for name in [name for name in sys.modules if name.partition(".")[0] == _LIBRARY]:
            del sys.modules[name]
        importlib.import_module(_LIBRARY)


_import()

if TYPE_CHECKING:
    from kubernetes_asyncio import config
    from kubernetes_asyncio.client import ApiClient, Configuration
    from kubernetes_asyncio.config import ConfigException, kube_config
    from kubernetes_asyncio.config.exec_provider import ExecProvider
else:
    config = sys.modules[f"{_LIBRARY}.config"]
    kube_config = sys.modules[f"{_LIBRARY}.config.kube_config"]
    ConfigException, ExecProvider = config.ConfigException, kube_config.ExecProvider
    ApiClient = sys.modules[f"{_LIBRARY}.client"].ApiClient
    Configuration = sys.modules[f"{_LIBRARY}.client"].Configuration

__all__ = ["ApiClient", "ConfigException", "Configuration", "ExecProvider", "config", "kube_config"]
