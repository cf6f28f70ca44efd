"""Kubernetes as Merlin uses it: names and manifests (pure), one door per cluster, list-and-watch."""
