"""The review door: look at what was predicted, say what was true, and decide which version answers."""

from predictions.admin import feedback, predictions, registry

__all__ = ["feedback", "predictions", "registry"]
