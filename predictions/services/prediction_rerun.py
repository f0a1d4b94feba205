"""Ask again what was asked before."""

from __future__ import annotations

from accounts.models import User
from predictions.models import Door, ModelVersion, Prediction
from predictions.services.prediction_create import prediction_create


def prediction_rerun(
    *,
    prediction: Prediction,
    user: User,
    door: Door,
    version: ModelVersion | None = None,
    request_id: str = "",
) -> Prediction:
    """Make a new prediction in the asker's name from an earlier one's input, on its version or on another.

    Raises: what prediction_create raises.
    """
    created = prediction_create(
        user=user,
        version=version or prediction.version,
        inputs=[prediction.input],
        door=door,
        request_id=request_id,
    )
    return created.predictions[0]
