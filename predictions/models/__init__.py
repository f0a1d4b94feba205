"""What was registered, asked and answered."""

from predictions.models.feedback import Note, Truth
from predictions.models.predictions import Door, IdempotencyKey, Prediction, Reason, Status
from predictions.models.queue import Job, WorkerPulse
from predictions.models.registry import CHAMPION, Alias, ModelVersion, RegisteredModel, Visibility

__all__ = [
    "CHAMPION",
    "Alias",
    "Door",
    "IdempotencyKey",
    "Job",
    "ModelVersion",
    "Note",
    "Prediction",
    "Reason",
    "RegisteredModel",
    "Status",
    "Truth",
    "Visibility",
    "WorkerPulse",
]
