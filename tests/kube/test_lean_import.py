"""The library is imported without its typed models, and is whole all the same for whoever asks for more."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest


def in_a_new_process(program: str) -> Any:
    """What the program prints, as JSON: what a process has imported cannot be taken back in this one."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_client_is_imported_without_typed_models() -> None:
    program = "import json, sys, merlin.kube.client; print(json.dumps(sorted(sys.modules)))"
    modules = in_a_new_process(program)
    assert "kubernetes_asyncio.client.api_client" in modules
    assert "kubernetes_asyncio.config.exec_provider" in modules
    assert [name for name in modules if name.startswith("kubernetes_asyncio.client.api.")] == []
    assert [name for name in modules if name.startswith("kubernetes_asyncio.client.models.")] == []


def test_what_the_lean_import_left_out_is_there_once_somebody_asks() -> None:
    program = """
import json
from merlin.kube.lean_import import ApiClient
import kubernetes_asyncio
from kubernetes_asyncio import client, watch
from kubernetes_asyncio.client import CoreV1Api, V1Pod
from kubernetes_asyncio.client.models import V1Node
pod = V1Pod(metadata=client.V1ObjectMeta(name="one"))
print(json.dumps([
    pod.metadata.name, client.ApiClient is ApiClient, CoreV1Api.__name__, V1Node.__name__,
    watch.Watch.__name__, kubernetes_asyncio.__version__ != "", hasattr(client, "NoSuchThing"),
]))
"""
    assert in_a_new_process(program) == ["one", True, "CoreV1Api", "V1Node", "Watch", True, False]


def test_a_typed_answer_is_read_with_the_models_that_were_left_out() -> None:
    program = """
import json, asyncio
from types import SimpleNamespace
from merlin.kube.lean_import import ApiClient, Configuration
async def read():
    async with ApiClient(Configuration()) as client:
        return client.deserialize(SimpleNamespace(data='{"metadata": {"name": "one"}}'), "V1Pod").metadata.name
print(json.dumps(asyncio.run(read())))
"""
    assert in_a_new_process(program) == "one"


@pytest.mark.parametrize("missing", ["kubernetes_asyncio.client.rest", "kubernetes_asyncio.client.models"])
def test_another_layout_is_imported_as_usual(missing: str) -> None:
    program = f"""
import json, sys, importlib, importlib.util
find, load, asked = importlib.util.find_spec, importlib.import_module, []
def fail_once(of, name, *rest):
    if name == {missing!r} and name not in asked:
        asked.append(name)
        raise ImportError(name)
    return of(name, *rest)
importlib.util.find_spec = lambda *given: fail_once(find, *given)
importlib.import_module = lambda *given: fail_once(load, *given)
import merlin.kube.client
import kubernetes_asyncio.client
print(json.dumps([asked, "kubernetes_asyncio.client.models.v1_pod" in sys.modules,
                  kubernetes_asyncio.client.ApiClient is merlin.kube.client.ApiClient]))
"""
    assert in_a_new_process(program) == [[missing], True, True]
