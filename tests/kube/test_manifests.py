"""Manifests are pure: what is in them, what is never in them, and when pods would be restarted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from merlin.domain.environment import UrlStyle
from merlin.domain.revision import Autoscaling, AutoscalingMetric, changes_workload
from merlin.errors import Rejected
from merlin.kube import names
from merlin.kube.manifests import (
    Place,
    Workload,
    render_inference_service,
    render_model_route,
    render_secret,
    render_service,
    render_version_route,
)
from merlin.kube.route import RouteFeatures, features_of
from tests.domain.stages import ENVIRONMENT, SPEC

INSTALLATION, ENDPOINT = UUID(int=1), UUID(int=2)
PLACE = Place(INSTALLATION, ENDPOINT, "fraud", "iris", 3, "fraud-ns", ENVIRONMENT)
WORKLOAD = Workload("iris-3-r2", 2, SPEC, "s3://bucket/{{ .Name }}", {"PASSWORD": "{{ secret }}"})


def test_an_inference_service_is_standard_local_and_probes_the_model_itself() -> None:
    service = render_inference_service(PLACE, WORKLOAD)
    metadata, predictor = service["metadata"], service["spec"]["predictor"]
    assert metadata["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    assert metadata["annotations"]["serving.kserve.io/autoscalerClass"] == "none"
    assert metadata["labels"]["networking.kserve.io/visibility"] == "cluster-local"
    assert metadata["labels"][names.INSTALLATION] == str(INSTALLATION)
    assert predictor["labels"][names.ENDPOINT] == str(ENDPOINT)
    assert predictor["annotations"] == {names.WORKLOAD_REVISION: "2"}
    model = predictor["model"]
    assert (model["runtime"], model["protocolVersion"]) == (SPEC.runtime, "v2")
    assert model["readinessProbe"]["httpGet"]["path"] == "/v2/models/iris/ready"
    assert model["startupProbe"]["failureThreshold"] >= SPEC.deadline_seconds
    assert model["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_what_changes_with_every_generation_never_reaches_the_pods() -> None:
    assert names.GENERATION not in json.dumps(render_inference_service(PLACE, WORKLOAD))


def test_values_of_users_travel_in_a_secret_and_never_through_kserves_templates() -> None:
    service = render_inference_service(PLACE, WORKLOAD)
    assert "{{ secret }}" not in json.dumps(service)
    assert service["spec"]["predictor"]["model"]["envFrom"] == [{"secretRef": {"name": "iris-3-r2"}}]
    secret = render_secret(PLACE, WORKLOAD)
    assert secret is not None
    assert secret["metadata"]["name"] == "iris-3-r2"
    assert "{{ secret }}" not in json.dumps(secret)  # base64
    assert render_secret(PLACE, replace(WORKLOAD, variables={})) is None


def test_two_revisions_in_place_differ_in_their_scale_alone() -> None:
    more = replace(SPEC, min_replicas=2, max_replicas=4, timeout_seconds=9, deadline_seconds=SPEC.deadline_seconds)
    one = render_inference_service(PLACE, WORKLOAD)
    two = render_inference_service(PLACE, replace(WORKLOAD, spec=more))
    for manifest in (one, two):
        for field in ("minReplicas", "maxReplicas"):
            manifest["spec"]["predictor"].pop(field)
    assert one == two


@pytest.mark.parametrize("change", [{"timeout_seconds": 59}, {"deadline_seconds": 3600}, {"timeout_seconds": 3000}])
def test_pods_differ_exactly_where_other_pods_are_said_to_be_needed(change: dict[str, Any]) -> None:
    other = replace(SPEC, **change)
    rendered = [render_inference_service(PLACE, replace(WORKLOAD, spec=spec)) for spec in (SPEC, other)]
    pods = [service["spec"]["predictor"]["model"] for service in rendered]
    assert (pods[0] != pods[1]) is changes_workload(SPEC, other)


@pytest.mark.parametrize(
    ("seconds", "variables", "told"),
    [(60, {}, []), (300, {}, ["300"]), (300, {"MERLIN_RUNTIME_TIMEOUT_SECONDS": "5"}, [])],
)
def test_a_long_time_out_is_told_to_the_models_process_unless_a_user_set_it(
    seconds: int, variables: dict[str, str], told: list[str]
) -> None:
    workload = replace(WORKLOAD, spec=replace(SPEC, timeout_seconds=seconds), variables=variables)
    env = render_inference_service(PLACE, workload)["spec"]["predictor"]["model"]["env"]
    assert [each["value"] for each in env if each["name"] == "MERLIN_RUNTIME_TIMEOUT_SECONDS"] == told


def test_an_autoscaled_one_names_its_metric() -> None:
    spec = replace(SPEC, min_replicas=1, max_replicas=4, autoscaling=Autoscaling(AutoscalingMetric.CPU, 70))
    service = render_inference_service(PLACE, replace(WORKLOAD, spec=spec))
    predictor = service["spec"]["predictor"]
    assert service["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "hpa"
    assert (predictor["scaleMetric"], predictor["scaleTarget"], predictor["maxReplicas"]) == ("cpu", 70, 4)


def test_the_service_stands_for_the_chosen_pods() -> None:
    service = render_service(PLACE, generation=7, selected="iris-3-r2")
    assert service["metadata"]["name"] == "iris-3"
    assert service["metadata"]["annotations"] == {names.GENERATION: "7"}
    assert service["spec"]["selector"] == {"app": "isvc.iris-3-r2-predictor"}


def test_a_path_style_route_takes_its_prefix_away() -> None:
    spec = render_version_route(PLACE, generation=1, timeout_seconds=9, features=RouteFeatures())["spec"]
    rule = spec["rules"][0]
    assert "hostnames" not in spec
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/fraud/iris/versions/3"}}]
    assert rule["filters"][0]["urlRewrite"]["path"]["replacePrefixMatch"] == "/"
    assert rule["timeouts"] == {"request": "9s"}
    assert [ref["name"] for ref in rule["backendRefs"]] == ["iris-3"]


def test_a_host_style_model_route_matches_its_host() -> None:
    environment = replace(ENVIRONMENT, url_style=UrlStyle.HOST, domain="models.example.org")
    route = model_route({1: 90, 2: 10}, environment=environment)
    assert route["spec"]["hostnames"] == ["iris--fraud.models.example.org"]
    assert "filters" not in route["spec"]["rules"][0]


def test_a_model_route_has_the_weights_of_its_rule() -> None:
    refs = model_route({1: 90, 2: 10})["spec"]["rules"][0]["backendRefs"]
    assert [(ref["name"], ref["weight"]) for ref in refs] == [("iris-1", 90), ("iris-2", 10)]


def test_what_a_gateway_cannot_do_is_refused_or_left_out() -> None:
    stated = features_of({"status": {"supportedFeatures": [{"name": "HTTPRouteHostRewrite"}]}})
    with pytest.raises(Rejected, match="HTTPRoutePathRewrite") as raised:
        render_version_route(PLACE, generation=1, timeout_seconds=9, features=stated)
    assert raised.value.code == "ROUTE_FEATURE_UNSUPPORTED"
    rewrites = features_of({"status": {"supportedFeatures": ["HTTPRoutePathRewrite"]}})
    route = render_version_route(PLACE, generation=1, timeout_seconds=9, features=rewrites)
    assert "timeouts" not in route["spec"]["rules"][0]


def model_route(weights: dict[int, int], **changes: object) -> dict[str, Any]:
    arguments: dict[str, object] = {
        "installation_id": INSTALLATION,
        "model_endpoint_id": ENDPOINT,
        "project": "fraud",
        "model": "iris",
        "namespace": "fraud-ns",
        "environment": ENVIRONMENT,
        "generation": 1,
        "weights": weights,
        "timeout_seconds": 9,
        "features": RouteFeatures(),
        **changes,
    }
    return render_model_route(**arguments)  # type: ignore[arg-type]
