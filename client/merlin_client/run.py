"""A version's MLflow run: what is logged goes straight from here to MLflow. mlflow is imported when it is first used.

Inside `RunLog.active()` the run is MLflow's active one, so mlflow's own functions and autologging write to it too.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merlin_client.errors import ModelNotUnderstood, NotConfigured
from merlin_client.flavors import ARGUMENT, certain_requirements, flavor_of, trusted_types

if TYPE_CHECKING:
    from merlin_client.version import Version


class RunLog:
    """Writes to the MLflow run of one version."""

    def __init__(self, run_id: str, tracking_uri: str) -> None:
        self.run_id = run_id
        self.tracking_uri = tracking_uri
        self.logged_model = False
        self._client: Any = None
        self._to_start = False

    @classmethod
    def of(cls, version: Version) -> RunLog:
        """The log of a version, whose run is started if it has none yet. Raises Unavailable (MLFLOW_UNAVAILABLE)."""
        from merlin_client import portal

        run_id = version.start_run().run_id or ""
        server = portal.run(version._async._connection.server())
        return cls(run_id, str(server["mlflowUrl"]))

    def metric(self, key: str, value: float, step: int | None = None) -> None:
        """Log one value of a metric."""
        self._mlflow_client().log_metric(self.run_id, key, float(value), step=step or 0)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log several metrics in one request."""
        import time

        entities = self._mlflow().entities
        now = int(time.time() * 1000)
        batch = [entities.Metric(key, float(value), now, step or 0) for key, value in values.items()]
        self._mlflow_client().log_batch(self.run_id, metrics=batch)

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters; each can be logged once."""
        entities = self._mlflow().entities
        batch = [entities.Param(key, str(value)) for key, value in values.items()]
        self._mlflow_client().log_batch(self.run_id, params=batch)

    def tag(self, key: str, value: Any) -> None:
        """Set a tag of the run."""
        self._mlflow_client().set_tag(self.run_id, key, value)

    def artifact(self, path: str | Path, artifact_path: str | None = None) -> None:
        """Upload a file or a folder."""
        upload = self._mlflow_client().log_artifacts if Path(path).is_dir() else self._mlflow_client().log_artifact
        upload(self.run_id, str(path), artifact_path)

    def model(
        self,
        model: Any,
        *,
        input_example: Any = None,
        flavor: str | None = None,
        signature: Any = None,
        pip_requirements: list[str] | str | None = None,
        name: str = "model",
        **options: Any,
    ) -> None:
        """Log a model with MLflow's flavour for it; ``options`` go to that flavour's log_model.

        The signature is inferred from the input example. Raises ModelNotUnderstood.
        """
        kind = flavor or flavor_of(model)
        if kind == "folder":
            self._folder(Path(model), name)
        else:
            if signature is None and input_example is not None:
                signature = self._inferred(kind, model, input_example)
            requirements = pip_requirements or certain_requirements(kind, model, input_example)
            if requirements is not None:
                options["pip_requirements"] = requirements
            if signature is not None:
                options["signature"] = signature
            if kind == "sklearn" and not options.keys() & {"skops_trusted_types", "serialization_format"}:
                with contextlib.suppress(ImportError):  # an older MLflow, which pickles
                    options["skops_trusted_types"] = trusted_types(model) or None
            self._log_with(kind, model, input_example=input_example, name=name, **options)
        self.logged_model = True

    @contextlib.contextmanager
    def active(self) -> Iterator[RunLog]:
        """Make it MLflow's active run; ended as FINISHED at the end, as FAILED when an exception passes through."""
        before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID")}
        os.environ["MLFLOW_TRACKING_URI"] = self.tracking_uri
        os.environ["MLFLOW_RUN_ID"] = self.run_id  # mlflow takes it up when it is first used
        self._to_start = True
        if "mlflow" in sys.modules:
            self._mlflow()
        try:
            yield self
        except BaseException:  # however the block ended, the run is told; raised again
            self._end("FAILED")
            raise
        else:
            self._end("FINISHED")
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    def _start(self, mlflow: Any) -> None:
        active = mlflow.active_run()
        if active is None or active.info.run_id != self.run_id:
            os.environ.pop("MLFLOW_RUN_ID", None)
            mlflow.start_run(run_id=self.run_id, nested=active is not None)

    def _end(self, status: str) -> None:
        self._to_start = False
        mlflow = sys.modules.get("mlflow")
        if mlflow is None:
            if status == "FAILED":
                self._mlflow_client().set_terminated(self.run_id, status)
            return
        active = mlflow.active_run()
        if active is not None and active.info.run_id == self.run_id:
            with _quiet():
                mlflow.end_run(status)
        else:
            self._mlflow_client().set_terminated(self.run_id, status)

    def _log_with(self, kind: str, model: Any, **options: Any) -> None:
        import importlib

        mlflow = self._mlflow()
        logging.getLogger("mlflow.utils.environment").addFilter(_is_worth_telling)
        try:
            module = importlib.import_module(f"mlflow.{kind}")
        except ImportError as error:
            raise ModelNotUnderstood(
                f"MLflow has no flavour {kind!r} here: {error}.", hint=f"There are: {', '.join(sorted(ARGUMENT))}."
            ) from error
        options = {name: value for name, value in options.items() if value is not None}
        active = mlflow.active_run()
        if active is not None and active.info.run_id == self.run_id:
            module.log_model(**{ARGUMENT.get(kind, "model"): model}, **options)
            return
        with self._as_active(mlflow):
            module.log_model(**{ARGUMENT.get(kind, "model"): model}, **options)

    @contextlib.contextmanager
    def _as_active(self, mlflow: Any) -> Iterator[None]:
        """The run active for one call, and its status as it was."""
        status = self._mlflow_client().get_run(self.run_id).info.status
        mlflow.start_run(run_id=self.run_id, nested=mlflow.active_run() is not None)
        try:
            yield
        finally:
            with _quiet():
                mlflow.end_run(status)

    def _inferred(self, kind: str, model: Any, example: Any) -> Any:
        """The signature, where a prediction can be made right here; else MLflow's own inference does it."""
        if kind not in {"sklearn", "xgboost", "lightgbm", "catboost"} or not hasattr(model, "predict"):
            return None
        if kind == "xgboost" and type(model).__name__ == "Booster":
            return None
        from mlflow.models import infer_signature

        return infer_signature(example, model.predict(example))

    def _folder(self, folder: Path, name: str) -> None:
        if not (folder / "MLmodel").is_file():
            raise ModelNotUnderstood(
                f"{folder} is no saved MLflow model: it has no file MLmodel.",
                hint="Save it with mlflow.<flavour>.save_model, or give log_model the model itself.",
            )
        self._mlflow_client().log_artifacts(self.run_id, str(folder), name)

    def _mlflow_client(self) -> Any:
        if self._client is None:
            self._client = self._mlflow().MlflowClient(tracking_uri=self.tracking_uri)
        return self._client

    def _mlflow(self) -> Any:
        try:
            import mlflow
        except ImportError as error:
            raise NotConfigured(
                "Logging needs mlflow in this Python environment.", hint="Install merlin-client[mlflow]."
            ) from error
        if mlflow.get_tracking_uri() != self.tracking_uri:
            mlflow.set_tracking_uri(self.tracking_uri)
        if self._to_start:
            self._to_start = False
            self._start(mlflow)
        return mlflow


def _is_worth_telling(record: logging.LogRecord) -> bool:
    """Environments made by uv have no pip, and that is well."""
    return "Failed to resolve installed pip version" not in record.msg


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """MLflow prints the run's address at its end; Merlin shows it on the version."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
