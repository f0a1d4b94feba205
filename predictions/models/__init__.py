"""What was registered, asked and answered."""

from predictions.models.batches import Batch
from predictions.models.feedback import Note, Truth
from predictions.models.predictions import Door, IdempotencyKey, Prediction, Reason, Status
from predictions.models.queue import Job, Lane, WorkerPulse
from predictions.models.registry import CHAMPION, Alias, ModelVersion, RegisteredModel, Visibility

__all__ = [
    "CHAMPION",
    "Alias",
    "Batch",
    "Door",
    "IdempotencyKey",
    "Job",
    "Lane",
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
