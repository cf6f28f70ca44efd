"""Merlin: from a trained model in a notebook to an HTTP endpoint that stays up."""

__version__ = "0.1.0"
