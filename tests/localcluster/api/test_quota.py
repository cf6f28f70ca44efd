"""ResourceQuotas."""

from __future__ import annotations

from typing import Any

import pytest

from merlin.localcluster.quantity import amount, canonical, shown
from tests.localcluster.api.caller import PODS, Caller, pod, until

QUOTAS = "/api/v1/namespaces/work/resourcequotas"


def quota(**hard: str) -> dict[str, Any]:
    written = {name.replace("_", "."): value for name, value in hard.items()}
    return {"metadata": {"name": "small"}, "spec": {"hard": written}}


def resources(cpu: str, memory: str) -> dict[str, Any]:
    return {"limits": {"cpu": cpu, "memory": memory}}


async def test_a_pod_that_does_not_fit_is_refused_in_kubernetes_words(caller: Caller) -> None:
    await caller.ok("POST", QUOTAS, quota(limits_cpu="500m", limits_memory="128Mi"))
    answer = await caller.send("POST", PODS, pod(resources=resources("1", "1Gi")))
    assert answer.status_code == 403
    assert answer.json()["message"] == (
        'pods "pod" is forbidden: exceeded quota: small, requested: limits.cpu=1,limits.memory=1Gi, '
        "used: limits.cpu=0,limits.memory=0, limited: limits.cpu=500m,limits.memory=128Mi"
    )


async def test_the_status_follows_what_is_used(caller: Caller) -> None:
    await caller.ok("POST", QUOTAS, quota(requests_cpu="2", requests_memory="1Gi", pods="2"))

    async def used() -> Any:
        return (await caller.ok("GET", f"{QUOTAS}/small")).get("status", {}).get("used")

    async def counted() -> bool:
        return bool(await used() == {"requests.cpu": "1500m", "requests.memory": "384Mi", "pods": "1"})

    async def freed() -> bool:
        return bool(await used() == {"requests.cpu": "0", "requests.memory": "0", "pods": "0"})

    await caller.ok("POST", PODS, pod(resources=resources("1.5", "384Mi")))
    await until(counted)
    await caller.ok("DELETE", f"{PODS}/pod")
    await until(freed)


async def test_a_pod_that_has_ended_uses_nothing(caller: Caller) -> None:
    await caller.ok("POST", QUOTAS, quota(pods="1"))
    made = await caller.ok("POST", PODS, pod("first"))
    assert (await caller.send("POST", PODS, pod("second"))).status_code == 403
    made["status"]["phase"] = "Succeeded"
    await caller.ok("PUT", f"{PODS}/first/status", made)
    await caller.ok("POST", PODS, pod("second"))


async def test_what_a_quota_limits_must_be_said(caller: Caller) -> None:
    await caller.ok("POST", QUOTAS, quota(limits_memory="1Gi"))
    answer = await caller.send("POST", PODS, pod())
    assert (
        answer.json()["message"] == 'pods "pod" is forbidden: failed quota: small: must specify limits.memory for: main'
    )


@pytest.mark.parametrize(
    ("text", "value", "again"),
    [
        ("100m", "0.1", "100m"),
        ("2", "2", "2"),
        ("1.5", "1.5", "1500m"),
        ("1e3", "1000", "1000"),
        ("2k", "2000", "2000"),
    ],
)
def test_quantities(text: str, value: str, again: str) -> None:
    assert str(amount(text).normalize()) == str(amount(value).normalize())
    assert shown(amount(text), "cpu") == again


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        *(("1000m", "1"), ("0.5", "500m"), ("1500m", "1500m"), (2, "2"), ("1000", "1k"), ("2000k", "2M"), ("0", "0")),
        *(
            ("1024Mi", "1Gi"),
            ("1536Mi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("100Ki", "100Ki"),
            ("1e3", "1e3"),
            ("1E", "1E"),
        ),
    ],
)
def test_how_quantities_are_kept(text: str, kept: str) -> None:
    assert canonical(text) == kept


@pytest.mark.parametrize("text", ["", "lots", "1GB", "--1", "1 Gi"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        amount(text)
