"""What Merlin relies on from a Kubernetes API, held against a real API server first and the embedded one as well.

Run on the embedded cluster by default and on any other with `pytest tests/contract --kubeconfig FILE`. Every test works
in a namespace of its own and takes it away again.
"""
