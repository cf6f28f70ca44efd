"""Names that Kubernetes and KServe take, whatever they are made from."""

from __future__ import annotations

import re

import pytest

from merlin.domain.names import LONGEST_MODEL, LONGEST_NAMESPACE
from merlin.kube import names

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LONG = "m" * LONGEST_MODEL
NAMESPACES = ["a", "n" * LONGEST_NAMESPACE]


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("model", ["a", "iris", LONG])
@pytest.mark.parametrize(("version", "revision"), [(1, 1), (99999, 99999), (2**31 - 1, 2**31 - 1)])
def test_an_inference_service_fits_wherever_its_name_goes(
    namespace: str, model: str, version: int, revision: int
) -> None:
    name = names.inference_service(model, version, revision, namespace)
    assert len(f"{name}-predictor-{namespace}") <= 63
    assert len(names.predictor_app(name)) <= 63
    assert _LABEL.fullmatch(name)


def test_names_are_plain_where_they_fit_and_differ_where_they_are_shortened() -> None:
    assert names.inference_service("iris", 3, 2, "fraud") == "iris-3-r2"
    shortened = {names.inference_service(LONG, 1000, revision, NAMESPACES[1]) for revision in range(100)}
    assert len(shortened) == 100


def test_a_pods_label_leads_back_to_its_inference_service() -> None:
    assert names.inference_service_of(names.predictor_app("iris-3-r2")) == "iris-3-r2"
    for other in (None, "", "isvc.iris", "iris-predictor", "web"):
        assert names.inference_service_of(other) is None


def test_no_model_can_take_the_route_of_anothers_version() -> None:
    assert names.version_route("iris", 3) == "iris-3"
    assert names.model_route("iris-3") != names.version_route("iris", 3)
    assert names.model_route("iris") == "iris"
    assert names.model_route("iris-x") == "iris-x"
