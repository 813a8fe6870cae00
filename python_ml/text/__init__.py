"""Texts that customers write, as features: embeddings, components, labels."""

from python_ml.text.components import text_components

__all__ = ["text_components"]
