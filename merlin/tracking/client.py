"""MLflow as Merlin needs it: an experiment per model, a run per version, artifacts resolved to where they really lie.

The server does not import mlflow: its client is synchronous and takes seconds to load. Calls that create are
idempotent, since each may be repeated after a lost answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from merlin.errors import AlreadyExists, NotFound, Rejected, Unavailable
from merlin.tracking.artifact import (
    Artifact,
    not_a_model,
    python_version_of,
    read_mlmodel,
    requirements_of,
    signature_of,
    storage_uri_of,
)
from merlin.tracking.door import Door
from merlin.tracking.reference import LoggedModelReference, RunReference, parse_reference

VERSION_TAG = "merlin.version_id"
_PAGE = 100  # MLflow takes more, but its filters grow slow with long IN lists
_CACHE_SECONDS = 2.0  # long enough for one page of a list, short enough that nobody notices
_CACHE_SIZE = 2_000


@dataclass(frozen=True, slots=True)
class RunMetric:
    """The latest value of one metric."""

    key: str
    value: float
    step: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class RunData:
    """What MLflow knows of a run."""

    run_id: str
    experiment_id: str
    name: str
    status: str
    artifact_uri: str
    metrics: list[RunMetric] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def metrics_json(self) -> dict[str, Any]:
        """Metrics as the version's row mirrors them: ``{key: {"value", "step", "timestamp"}}`` (milliseconds)."""
        return {m.key: {"value": m.value, "step": m.step, "timestamp": m.timestamp_ms} for m in self.metrics}


class MlflowClient:
    """One MLflow server. Raises Unavailable (MLFLOW_UNAVAILABLE) wherever a retry helps."""

    def __init__(
        self, base_url: str, *, artifact_map: Mapping[str, str] | None = None, timeout_seconds: float = 10.0
    ) -> None:
        self._door = Door(base_url, timeout_seconds=timeout_seconds)
        self._artifact_map = dict(artifact_map or {})
        self._cache: dict[str, tuple[float, RunData]] = {}

    @property
    def base_url(self) -> str:
        """The server's address, without a slash at the end."""
        return self._door.base_url

    async def close(self) -> None:
        """Close the connections."""
        await self._door.close()

    async def ping(self) -> str:
        """The server's version. Raises Unavailable."""
        return await self._door.ping()

    # Experiments

    async def ensure_experiment(self, name: str) -> str:
        """The id of the active experiment of that name, made or restored if need be. Idempotent."""
        if found := await self._experiment(name):
            return await self._revived(found)
        try:
            answer = await self._door.post("experiments/create", name=name)
        except AlreadyExists:
            found = await self._experiment(name)
            if found is None:
                raise Unavailable(
                    f"Experiment {name!r} is being changed in MLflow.", code="MLFLOW_UNAVAILABLE"
                ) from None
            return await self._revived(found)
        return str(answer["experiment_id"])

    async def delete_experiment(self, experiment_id: str) -> None:
        """Delete it in MLflow (which keeps it restorable). One that is gone already is fine."""
        try:
            await self._door.post("experiments/delete", experiment_id=experiment_id)
        except NotFound:
            return

    async def restore_experiment(self, experiment_id: str) -> None:
        """Undo its deletion. One that is active, or gone for good, is fine."""
        try:
            await self._door.post("experiments/restore", experiment_id=experiment_id)
        except NotFound:
            return

    async def _experiment(self, name: str) -> dict[str, Any] | None:
        try:
            answer = await self._door.get("experiments/get-by-name", experiment_name=name)
        except NotFound:
            return None
        return dict(answer["experiment"])

    async def _revived(self, experiment: Mapping[str, Any]) -> str:
        experiment_id = str(experiment["experiment_id"])
        if experiment.get("lifecycle_stage") == "deleted":
            await self.restore_experiment(experiment_id)
        return experiment_id

    # Runs

    async def create_run(
        self, experiment_id: str, *, version_id: str, run_name: str, tags: Mapping[str, str] | None = None
    ) -> RunData:
        """The run of that version: found by its tag, else made. Idempotent for one caller at a time."""
        if found := await self.run_of_version(experiment_id, version_id):
            return found
        pairs = [{"key": k, "value": v} for k, v in {**(tags or {}), VERSION_TAG: version_id}.items()]
        answer = await self._door.post(
            "runs/create",
            experiment_id=experiment_id,
            run_name=run_name,
            start_time=int(time.time() * 1000),
            tags=pairs,
        )
        return _run(answer["run"])

    async def run_of_version(self, experiment_id: str, version_id: str) -> RunData | None:
        """The active run that carries the version's tag, if there is one."""
        answer = await self._door.post(
            "runs/search",
            experiment_ids=[experiment_id],
            filter=f"tags.`{VERSION_TAG}` = '{version_id}'",
            max_results=1,
        )
        runs = answer.get("runs", [])
        return _run(runs[0]) if runs else None

    async def get_run(self, run_id: str) -> RunData:
        """One run, read afresh. Raises NotFound."""
        answer = await self._door.get("runs/get", run_id=run_id)
        return self._remember(_run(answer["run"]))

    async def get_runs(self, runs: Iterable[tuple[str, str]]) -> dict[str, RunData]:
        """Runs by id, for pairs (experiment id, run id): one call per hundred, cached for two seconds.

        A run that MLflow does not know is left out.
        """
        now = time.monotonic()
        wanted = dict.fromkeys(runs)
        known = {r: hit[1] for _, r in wanted if (hit := self._cache.get(r)) and now - hit[0] < _CACHE_SECONDS}
        missing = [pair for pair in wanted if pair[1] not in known]
        for start in range(0, len(missing), _PAGE):
            for run in await self._search(missing[start : start + _PAGE]):
                known[run.run_id] = self._remember(run)
        return known

    async def _search(self, pairs: list[tuple[str, str]]) -> list[RunData]:
        ids = ", ".join(f"'{run_id}'" for _, run_id in pairs)
        answer = await self._door.post(
            "runs/search",
            experiment_ids=sorted({experiment for experiment, _ in pairs}),
            filter=f"attributes.run_id IN ({ids})",
            max_results=len(pairs),
            run_view_type="ALL",
        )
        return [_run(run) for run in answer.get("runs", [])]

    def _remember(self, run: RunData) -> RunData:
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
        self._cache[run.run_id] = (time.monotonic(), run)
        return run

    async def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Write tags; the ones that are there get the new value. Idempotent."""
        pairs = [{"key": k, "value": v} for k, v in tags.items()]
        if pairs:
            await self._door.post("runs/log-batch", run_id=run_id, tags=pairs)
        self._cache.pop(run_id, None)

    async def delete_tags(self, run_id: str, keys: Iterable[str]) -> None:
        """Remove tags; ones that are not there are fine. Idempotent."""
        for key in keys:
            try:
                await self._door.post("runs/delete-tag", run_id=run_id, key=key)
            except NotFound:
                continue
        self._cache.pop(run_id, None)

    async def finish_run(self, run_id: str) -> None:
        """Mark the run FINISHED. Idempotent."""
        await self._door.post("runs/update", run_id=run_id, status="FINISHED", end_time=int(time.time() * 1000))

    async def delete_run(self, run_id: str) -> None:
        """Delete the run in MLflow (restorable there). One that is gone already is fine."""
        try:
            await self._door.post("runs/delete", run_id=run_id)
        except NotFound:
            return

    async def restore_run(self, run_id: str) -> None:
        """Undo its deletion. One that is active, or gone for good, is fine."""
        try:
            await self._door.post("runs/restore", run_id=run_id)
        except NotFound:
            return

    # What users name, and where it lies

    async def resolve(self, reference: str) -> RunReference:
        """The run that a text names. Raises InvalidInput (no such form), NotFound (no such thing in MLflow)."""
        parsed = parse_reference(reference)
        if isinstance(parsed, RunReference):
            await self.get_run(parsed.run_id)
            return parsed
        if isinstance(parsed, LoggedModelReference):
            model = await self._logged_model(parsed.model_id)
            return RunReference(str(model["info"].get("source_run_id", "")), model["info"].get("name"))
        if parsed.alias is not None:
            answer = await self._door.get("registered-models/alias", name=parsed.name, alias=parsed.alias)
        else:
            answer = await self._door.get("model-versions/get", name=parsed.name, version=parsed.version or "")
        return await self._run_of_registered(answer["model_version"])

    async def _run_of_registered(self, version: Mapping[str, Any]) -> RunReference:
        run_id, source = version.get("run_id"), str(version.get("source", ""))
        if not run_id:
            raise NotFound(f"MLflow does not say which run {version.get('name')!r} was made by; adopt the run itself.")
        if source.startswith("models:/m-"):
            model = await self._logged_model(source.removeprefix("models:/"))
            return RunReference(str(run_id), model["info"].get("name"))
        marker = f"{run_id}/artifacts/"
        return RunReference(str(run_id), source.split(marker, 1)[1] if marker in source else None)

    async def _logged_model(self, model_id: str) -> dict[str, Any]:
        answer = await self._door.get(f"logged-models/{model_id}")
        return dict(answer["model"])

    async def resolve_artifact(self, run_id: str, path: str | None = None) -> Artifact:
        """The model that a run logged (at ``path``, or its only or newest one).

        Looks among MLflow 3's LoggedModels first, then in the run's own artifacts. Raises NotFound
        (ARTIFACT_NOT_FOUND) when nothing is there, Rejected (NOT_A_MODEL) when it has no MLmodel.
        """
        run = await self.get_run(run_id)
        for model in await self._logged_models(run, path):
            info = model["info"]
            return await self._artifact(
                str(info["artifact_uri"]),
                f"/ajax-api/2.0/mlflow/logged-models/{info['model_id']}/artifacts/files",
                "artifact_file_path",
            )
        return await self._run_artifact(run, path or "model")

    async def _logged_models(self, run: RunData, path: str | None) -> list[dict[str, Any]]:
        try:
            answer = await self._door.post(
                "logged-models/search",
                experiment_ids=[run.experiment_id],
                filter=f"source_run_id = '{run.run_id}'",
                order_by=[{"field_name": "creation_timestamp", "ascending": False}],
                max_results=50,
            )
        except NotFound:
            return []  # an MLflow 2 server has none
        models = [m for m in answer.get("models", []) if path is None or m["info"].get("name") == path]
        return sorted(models, key=lambda m: -int(m["info"].get("creation_timestamp_ms", 0)))

    async def _run_artifact(self, run: RunData, path: str) -> Artifact:
        return await self._artifact(
            f"{run.artifact_uri.rstrip('/')}/{path}", "/get-artifact", "path", run_id=run.run_id, prefix=f"{path}/"
        )

    async def _artifact(
        self, artifact_uri: str, route: str, argument: str, *, run_id: str | None = None, prefix: str = ""
    ) -> Artifact:
        fixed = {"run_uuid": run_id} if run_id else {}

        async def read(name: str) -> bytes | None:
            return await self._door.read(route, **fixed, **{argument: prefix + name})

        text = await read("MLmodel")
        if text is None:
            raise await self._missing(run_id, prefix.rstrip("/"))
        mlmodel = read_mlmodel(text)
        return Artifact(
            artifact_uri=artifact_uri,
            storage_uri=storage_uri_of(artifact_uri, self._artifact_map),
            flavors=sorted(mlmodel["flavors"]),
            signature=signature_of(mlmodel),
            requirements=requirements_of(await read("requirements.txt")),
            python_version=python_version_of(mlmodel),
            input_example=_example(await read(_example_path(mlmodel))) if _example_path(mlmodel) else None,
        )

    async def _missing(self, run_id: str | None, path: str) -> NotFound | Rejected:
        """Why there is no MLmodel: something else lies there, or nothing."""
        if run_id:
            answer = await self._door.get("artifacts/list", run_id=run_id, path=path)
            if answer.get("files"):
                return not_a_model(f"{path!r} of run {run_id} holds no MLmodel file")
            listing = await self._door.get("artifacts/list", run_id=run_id)
            if any(f.get("path") == path for f in listing.get("files", [])):
                return not_a_model(f"{path!r} of run {run_id} is a file, not a model folder")
        return NotFound(
            f"Nothing was logged at {path!r} of run {run_id}." if run_id else "The logged model has no files.",
            code="ARTIFACT_NOT_FOUND",
            hint="Log a model first (log_model), or name the path it was logged under.",
        )


def _example_path(mlmodel: Mapping[str, Any]) -> str:
    info = mlmodel.get("saved_input_example_info")
    path = str(info.get("serving_input_path") or info.get("artifact_path") or "") if isinstance(info, dict) else ""
    return path if path and ".." not in path.split("/") else ""


def _example(text: bytes | None) -> Any | None:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None  # not every example is JSON; it only feeds the ready-made sample request


def _run(run: Mapping[str, Any]) -> RunData:
    info, data = run["info"], run.get("data", {})
    return RunData(
        run_id=str(info["run_id"]),
        experiment_id=str(info["experiment_id"]),
        name=str(info.get("run_name", "")),
        status=str(info.get("status", "")),
        artifact_uri=str(info.get("artifact_uri", "")),
        metrics=[_metric(m) for m in data.get("metrics", [])],
        params={str(p["key"]): str(p.get("value", "")) for p in data.get("params", [])},
        tags={str(t["key"]): str(t.get("value", "")) for t in data.get("tags", [])},
    )


def _metric(metric: Mapping[str, Any]) -> RunMetric:
    # MLflow writes NaN and infinities as text.
    return RunMetric(
        key=str(metric["key"]),
        value=float(metric.get("value", 0.0)),
        step=int(metric.get("step", 0)),
        timestamp_ms=int(metric.get("timestamp", 0)),
    )
