"""A raw door to a Kubernetes API server, for tests that look at status codes and bodies.

It knows credentials, addresses and content types, and nothing of what the answers mean.
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from merlin.kube import kinds
from merlin.kube.kinds import Kind, Manifest

NODE = Kind("v1", "Node", "nodes", namespaced=False)
RESOURCE_QUOTA = Kind("v1", "ResourceQuota", "resourcequotas")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
SERVING_RUNTIME = Kind("serving.kserve.io/v1alpha1", "ServingRuntime", "servingruntimes")
ALL_KINDS = (
    *(kinds.NAMESPACE, kinds.CONFIG_MAP, kinds.SECRET, kinds.SERVICE, kinds.POD, kinds.EVENT, kinds.DEPLOYMENT),
    *(kinds.INFERENCE_SERVICE, kinds.CLUSTER_RUNTIME, kinds.HTTP_ROUTE, kinds.GATEWAY, kinds.GATEWAY_CLASS),
    *(NODE, RESOURCE_QUOTA, SERVICE_ACCOUNT, REPLICA_SET, ENDPOINT_SLICE, LEASE, AUTOSCALER, SERVING_RUNTIME),
)
_BY_NAME = {kind.kind: kind for kind in ALL_KINDS}

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

Query = Mapping[str, str | int]


class Api:
    """One API server with one user's credentials, out of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self.server = str(cluster["server"])
        self.http = httpx.Client(
            base_url=self.server, verify=_trust(cluster, user), headers=headers, timeout=30, trust_env=False
        )

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        query: Query | None = None,
    ) -> httpx.Response:
        """The answer, whatever it is."""
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": content_type, "Accept": accept}
        return self.http.request(method, path, content=content, headers=headers, params=query)

    def get(self, path: str, **query: str | int) -> httpx.Response:
        """Read an object or a list."""
        return self.request("GET", path, query=query)

    def create(self, manifest: Manifest, **query: str | int) -> httpx.Response:
        """POST an object to where its kind lies."""
        return self.request("POST", collection(manifest), manifest, query=query)

    def put(self, manifest: Manifest, **query: str | int) -> httpx.Response:
        """Replace an object."""
        return self.request("PUT", address(manifest), manifest, query=query)

    def apply(self, manifest: Manifest, manager: str = "tests", **query: str | int) -> httpx.Response:
        """Server-side apply; without force."""
        sent: Query = {"fieldManager": manager, **query}
        return self.request("PATCH", address(manifest), manifest, content_type=APPLY, query=sent)

    def patch(self, path: str, body: object, content_type: str = MERGE, **query: str | int) -> httpx.Response:
        """One of the three other patches."""
        return self.request("PATCH", path, body, content_type=content_type, query=query)

    def delete(self, path: str, policy: str | None = None, **options: object) -> httpx.Response:
        """Ask for a deletion, with a propagation policy where one is given."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        return self.request("DELETE", path, {**body, "propagationPolicy": policy} if policy else body)

    @contextmanager
    def watch(self, path: str, **query: str | int) -> Iterator[Iterator[Manifest]]:
        """The events of a watch, for as long as the server keeps it open (10 s where nothing else is said)."""
        sent: dict[str, str | int] = {"watch": "true", "timeoutSeconds": 10, **query}
        with self.http.stream("GET", path, params=sent, headers={"Accept": "application/json"}) as answer:
            assert answer.status_code == 200, answer.read()
            yield (json.loads(line) for line in answer.iter_lines() if line)


def address(manifest: Manifest) -> str:
    """Where an object lies."""
    metadata = manifest["metadata"]
    return _BY_NAME[manifest["kind"]].path(metadata.get("namespace"), metadata["name"])


def collection(manifest: Manifest) -> str:
    """Where its kind lies."""
    return _BY_NAME[manifest["kind"]].path(manifest["metadata"].get("namespace"))


def ok(answer: httpx.Response) -> Manifest:
    """The object of an answer that is no refusal."""
    assert answer.status_code in {200, 201, 202}, f"{answer.status_code} {answer.text}"
    found: Manifest = answer.json()
    return found


def refusal(answer: httpx.Response) -> tuple[int, str | None, str]:
    """What a refusal says: code, reason and message, of a body that is a `Status` as Kubernetes writes it."""
    stated = answer.json()
    assert stated["kind"] == "Status", stated
    assert stated["apiVersion"] == "v1", stated
    assert stated["status"] == "Failure", stated
    assert stated["code"] == answer.status_code, stated
    return stated["code"], stated.get("reason"), stated["message"]


def causes(answer: httpx.Response) -> list[tuple[str, str]]:
    """The causes of a refusal: reason and field of each."""
    stated = answer.json()["details"].get("causes") or []
    return [(cause.get("reason", ""), cause.get("field", "")) for cause in stated]


def _trust(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext | bool:
    if not cluster["server"].startswith("https"):
        return False
    trust = ssl.create_default_context(
        cadata=_decoded(cluster, "certificate-authority"), cafile=cluster.get("certificate-authority")
    )
    if cluster.get("insecure-skip-tls-verify"):
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    certificate, key = _decoded(user, "client-certificate"), _decoded(user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as both:  # ssl reads certificates from files only
            both.write(certificate + "\n" + key)
            both.flush()
            trust.load_cert_chain(both.name)
    return trust


def _decoded(holder: dict[str, Any], name: str) -> str | None:
    if f"{name}-data" in holder:
        return base64.b64decode(holder[f"{name}-data"]).decode()
    return Path(holder[name]).read_text() if name in holder else None
