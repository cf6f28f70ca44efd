"""Refusals, bodies and all: Merlin reads reason, message and causes and shows them to people.

The texts were recorded from Kubernetes 1.34.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.api import Api, address, causes, ok, refusal
from tests.contract.objects import config_map, deployment, http_route, inference_service, pod

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def test_an_object_that_does_not_exist(api: Api, namespace: str) -> None:
    answer = api.get(address(inference_service(namespace)))
    assert refusal(answer) == (404, "NotFound", 'inferenceservices.serving.kserve.io "iris" not found')
    assert answer.json()["details"] == {"name": "iris", "group": "serving.kserve.io", "kind": "inferenceservices"}
    answer = api.get(address(config_map(namespace)))
    assert refusal(answer) == (404, "NotFound", 'configmaps "map" not found')
    assert answer.json()["details"] == {"name": "map", "kind": "configmaps"}
    assert refusal(api.delete(address(config_map(namespace))))[:2] == (404, "NotFound")


def test_a_kind_that_is_not_served_is_no_status_object(api: Api, namespace: str) -> None:
    """How Merlin tells "KServe is not installed" from "not found"."""
    for path in ("/apis/example.test/v1/things", f"/apis/serving.kserve.io/v9/namespaces/{namespace}/things/x"):
        answer = api.get(path)
        assert answer.status_code == 404
        assert answer.text == "404 page not found\n"


def test_a_list_in_a_namespace_that_does_not_exist_is_empty(api: Api) -> None:
    assert ok(api.get("/api/v1/namespaces/contract-nowhere/configmaps"))["items"] == []


def test_a_name_that_is_none(api: Api, namespace: str) -> None:
    answer = api.apply(inference_service(namespace, "Iris"))
    assert refusal(answer) == (
        422,
        "Invalid",
        f'InferenceService.serving.kserve.io "Iris" is invalid: metadata.name: Invalid value: "Iris": {SUBDOMAIN}',
    )
    assert causes(answer) == [("FieldValueInvalid", "metadata.name")]
    answer = api.create(config_map(namespace, "Map"))
    assert refusal(answer) == (
        422,
        "Invalid",
        f'ConfigMap "Map" is invalid: metadata.name: Invalid value: "Map": {SUBDOMAIN}',
    )


def test_a_label_value_that_is_none(api: Api, namespace: str) -> None:
    isvc = inference_service(namespace)
    isvc["metadata"]["labels"] = {"a": "not ok!"}
    answer = api.apply(isvc)
    assert refusal(answer) == (
        422,
        "Invalid",
        'InferenceService.serving.kserve.io "iris" is invalid: metadata.labels: '
        f'Invalid value: "not ok!": {LABEL_VALUE}',
    )
    assert causes(answer) == [("FieldValueInvalid", "metadata.labels")]
    assert refusal(api.create(config_map(namespace, labels={"a": "not ok!"})))[:2] == (422, "Invalid")


def test_a_selector_of_a_deployment_cannot_change(api: Api, namespace: str) -> None:
    ok(api.create(deployment(namespace, replicas=0)))
    other = {"app": "other"}
    body = {"spec": {"selector": {"matchLabels": other}, "template": {"metadata": {"labels": other}}}}
    answer = api.patch(address(deployment(namespace)), body)
    code, reason, message = refusal(answer)
    assert (code, reason) == (422, "Invalid")
    assert message.startswith('Deployment.apps "web" is invalid: spec.selector: Invalid value: ')
    assert message.endswith(": field is immutable")
    assert causes(answer) == [("FieldValueInvalid", "spec.selector")]
    assert answer.json()["details"]["kind"] == "Deployment"
    assert answer.json()["details"]["group"] == "apps"


def test_a_selector_that_does_not_match_its_template(api: Api, namespace: str) -> None:
    manifest = deployment(namespace)
    manifest["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    answer = api.create(manifest)
    assert refusal(answer)[:2] == (422, "Invalid")
    assert causes(answer) == [("FieldValueInvalid", "spec.template.metadata.labels")]


def test_a_pod_without_containers(api: Api, namespace: str) -> None:
    manifest = pod(namespace)
    manifest["spec"]["containers"] = []
    answer = api.create(manifest)
    assert refusal(answer) == (422, "Invalid", 'Pod "pod" is invalid: spec.containers: Required value')
    assert causes(answer) == [("FieldValueRequired", "spec.containers")]


def test_a_value_that_is_not_in_the_list(api: Api, namespace: str) -> None:
    manifest = deployment(namespace)
    manifest["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Sometimes"
    answer = api.create(manifest)
    assert refusal(answer)[:2] == (422, "Invalid")
    assert causes(answer) == [("FieldValueNotSupported", "spec.template.spec.containers[0].imagePullPolicy")]


@pytest.mark.parametrize(
    ("change", "message", "expected"),
    [
        pytest.param(
            {"weight": 1000001},
            "spec.rules[0].backendRefs[0].weight: Invalid value: 1000001: spec.rules[0].backendRefs[0].weight in body "
            "should be less than or equal to 1000000",
            [("FieldValueInvalid", "spec.rules[0].backendRefs[0].weight")],
            id="weight too large",
        ),
        pytest.param(
            {"weight": -1},
            "spec.rules[0].backendRefs[0].weight: Invalid value: -1: spec.rules[0].backendRefs[0].weight in body "
            "should be greater than or equal to 0",
            [("FieldValueInvalid", "spec.rules[0].backendRefs[0].weight")],
            id="negative weight",
        ),
        pytest.param(
            {"weight": 0.5},
            '[spec.rules[0].backendRefs[0].weight: Invalid value: "number": spec.rules[0].backendRefs[0].weight in '
            'body must be of type integer: "number", <nil>: Invalid value: null: some validation rules were not '
            "checked because the object was invalid; correct the existing errors to complete validation]",
            [("FieldValueTypeInvalid", "spec.rules[0].backendRefs[0].weight"), ("FieldValueInvalid", "<nil>")],
            id="fractional weight",
        ),
        pytest.param(
            {"hostnames": ["not a host"]},
            'spec.hostnames[0]: Invalid value: "not a host": spec.hostnames[0] in body should match '
            "'^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'",
            [("FieldValueInvalid", "spec.hostnames[0]")],
            id="bad hostname",
        ),
        pytest.param(
            {"timeout": "5 minutes"},
            'spec.rules[0].timeouts.request: Invalid value: "5 minutes": spec.rules[0].timeouts.request in body should '
            "match '^([0-9]{1,5}(h|m|s|ms)){1,4}$'",
            [("FieldValueInvalid", "spec.rules[0].timeouts.request")],
            id="bad timeout",
        ),
        pytest.param(
            {"prefix": "no-slash"},
            "spec.rules[0].matches[0].path: Invalid value: value must be an absolute path and start with '/' when "
            "type one of ['Exact', 'PathPrefix']",
            [("FieldValueInvalid", "spec.rules[0].matches[0].path")],
            id="path without a slash",
        ),
        pytest.param(
            {"no_port": True},
            "spec.rules[0].backendRefs[0]: Invalid value: Must have port for Service reference",
            [("FieldValueInvalid", "spec.rules[0].backendRefs[0]")],
            id="backend without a port",
        ),
    ],
)
def test_a_route_that_cannot_be(
    api: Api, namespace: str, change: dict[str, Any], message: str, expected: list[tuple[str, str]]
) -> None:
    route = http_route(namespace, weight=change.get("weight", 1))
    rule = route["spec"]["rules"][0]
    if "hostnames" in change:
        route["spec"]["hostnames"] = change["hostnames"]
    if "timeout" in change:
        rule["timeouts"] = {"request": change["timeout"]}
    if "prefix" in change:
        rule["matches"][0]["path"]["value"] = change["prefix"]
    if "no_port" in change:
        del rule["backendRefs"][0]["port"]
    answer = api.apply(route)
    code, reason, stated = refusal(answer)
    assert (code, reason) == (422, "Invalid")
    # A rule's refusal says "object" as its value before 1.34.4 or so.
    assert stated.replace('Invalid value: "object": ', "Invalid value: ") == (
        f'HTTPRoute.gateway.networking.k8s.io "route" is invalid: {message}'
    )
    assert causes(answer) == expected


def test_an_unknown_field_of_a_create_is_dropped_or_refused_as_asked(api: Api, namespace: str) -> None:
    route = http_route(namespace)
    route["spec"]["nonsense"] = 1
    refused = api.create(route, fieldValidation="Strict")
    assert refusal(refused) == (
        400,
        "BadRequest",
        'HTTPRoute in version "v1" cannot be handled as a HTTPRoute: strict decoding error: '
        'unknown field "spec.nonsense"',
    )
    made = api.create(route)
    assert made.status_code == 201
    assert "nonsense" not in made.json()["spec"]
    assert made.headers["warning"] == '299 - "unknown field \\"spec.nonsense\\""'


def test_a_body_that_is_no_json(api: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert refusal(api.request("POST", path, b"{not json"))[:2] == (400, "BadRequest")


def test_a_body_of_another_kind(api: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert refusal(api.request("POST", path, deployment(namespace)))[:2] == (400, "BadRequest")


def test_a_method_that_is_not_served(api: Api, namespace: str) -> None:
    answer = api.request("POST", f"/api/v1/namespaces/{namespace}/configmaps/map", {})
    assert refusal(answer)[:2] == (405, "MethodNotAllowed")


def test_a_media_type_that_is_not_served(api: Api, namespace: str) -> None:
    ok(api.create(config_map(namespace)))
    answer = api.request("PATCH", address(config_map(namespace)), {}, content_type="text/plain")
    assert refusal(answer)[:2] == (415, "UnsupportedMediaType")


def test_a_wrong_token(api: Api) -> None:
    # On a fresh connection, since a client certificate would count as well.
    server = httpx.URL(api.server)
    with httpx.Client(base_url=server, verify=False, trust_env=False) as http:
        answer = http.get("/api/v1/namespaces", headers={"Authorization": "Bearer wrong"})
    assert refusal(answer) == (401, "Unauthorized", "Unauthorized")


@pytest.mark.cluster  # the embedded cluster knows one user only, who may do everything
def test_without_rights(api: Api, kubeconfig: Path, namespace: str) -> None:
    dev = Api(kubeconfig.with_name("dev.kubeconfig"))
    try:
        answer = dev.get(f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices")
        assert refusal(answer) == (
            403,
            "Forbidden",
            'inferenceservices.serving.kserve.io is forbidden: User "dev" cannot list resource "inferenceservices" in '
            f'API group "serving.kserve.io" in the namespace "{namespace}"',
        )
        answer = dev.apply(config_map(namespace))
        assert refusal(answer) == (
            403,
            "Forbidden",
            'configmaps "map" is forbidden: User "dev" cannot patch resource "configmaps" in API group "" in the '
            f'namespace "{namespace}"',
        )
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": namespace}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        assert ok(dev.request("POST", path, review))["status"]["allowed"] is False
    finally:
        dev.http.close()
