"""Merlin's model runtime: one process, one MLflow model, two HTTP protocols.

It knows nothing of Merlin's server: what it needs comes by arguments and environment variables, what it has to say
goes out over HTTP, its log and, when the model cannot be loaded, one `MERLIN_FAILURE` line.
Importing this package imports neither MLflow nor pandas nor any model library; a model's own flavour does, when loaded.
"""

__version__ = "0.1.0"
