"""Merlin's main job from start to end: a model from training to an address that stays, and then its successor.

`make run` runs this once. Run it again whenever you like: it adds two versions more.

    MERLIN_HOME=.merlin .venv-models/bin/python examples/quickstart.py
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import merlin_client as merlin

_STARTED = time.monotonic()


def say(text: str) -> None:
    """A line with the seconds since the start."""
    print(f"\n[{time.monotonic() - _STARTED:5.1f} s] {text}", flush=True)


def main() -> None:
    """Train, log, deploy, ask, serve; then the same with a second version, and switch to it."""
    merlin.set_url()  # the platform of MERLIN_HOME, or of .merlin
    merlin.set_project("wine")
    merlin.set_model("quality")

    say("Training on 178 real wines: which of three growers made it, from 13 measurements?")
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    wines, growers = load_wine(return_X_y=True, as_frame=True)
    split = train_test_split(wines, growers, test_size=0.3, random_state=0, stratify=growers)

    first = log(make_pipeline(StandardScaler(), LogisticRegression()), split, "logistic regression")
    endpoint = deploy_and_ask(first, split)
    say("All of the model's traffic goes to it:")
    serving = merlin.serve_traffic(endpoint)

    second = log(RandomForestClassifier(n_estimators=30, random_state=0), split, "random forest")
    endpoint = deploy_and_ask(second, split)
    say("Switching to it; the model's address stays the same:")
    serving = merlin.serve_traffic(endpoint)
    print(f"  {serving.url} is answered by version {serving.serving_version_number}")

    show_addresses(serving, [float(value) for value in split[1].iloc[0]])


def log(model: Any, split: Any, kind: str) -> merlin.Version:
    """A new version with a trained model in it."""
    train, test, train_growers, test_growers = split
    model.fit(train, train_growers)
    with merlin.new_model_version(labels={"kind": kind.replace(" ", "-")}) as version:
        merlin.log_params({"kind": kind, "rows": len(train)})
        merlin.log_metric("accuracy", model.score(test, test_growers))
        merlin.log_model(model, input_example=test.head(2))
    say(f"Logged {version.path}, a {kind}: accuracy {version.refresh().metrics['accuracy']:.3f}")
    return version


def deploy_and_ask(version: merlin.Version, split: Any) -> merlin.VersionEndpoint:
    """Its endpoint, once it runs and has answered."""
    _, test, _, test_growers = split
    endpoint = merlin.deploy(version)
    predicted = endpoint.predict(test.head(5))
    say(f"{endpoint.url} says {predicted.tolist()}; the truth is {test_growers.head(5).tolist()}")
    return endpoint


def show_addresses(serving: merlin.ModelEndpoint, measurements: list[float]) -> None:
    """Where everything is, and a curl to copy."""
    found = _addresses()
    token = f"?token={found['token']}" if "token" in found else ""
    say("Done, and all of it goes on running:")
    for name, key in (("console", "console"), ("GraphiQL", "graphiql")):
        print(f"  {name:<11} {found.get(key, '')}{token}")
    for name, key in (("GraphQL", "graphql"), ("MLflow", "mlflow"), ("kubeconfig", "kubeconfig")):
        print(f"  {name:<11} {found.get(key, '')}")
    print(f"  the model   {serving.url}")
    tensor = {"name": "wine", "shape": [1, len(measurements)], "datatype": "FP64", "data": measurements}
    print("\nTry it:\n")
    print(
        f"  curl -s {serving.infer_url} -H 'content-type: application/json' -d '{json.dumps({'inputs': [tensor]})}'\n"
    )


def _addresses() -> dict[str, str]:
    home = Path(os.environ.get("MERLIN_HOME", ".merlin"))
    try:
        found: dict[str, str] = json.loads((home / "addresses.json").read_text())
    except OSError:  # a server elsewhere: it has other addresses
        return {"graphql": merlin.get_url()}
    return found


if __name__ == "__main__":
    main()
