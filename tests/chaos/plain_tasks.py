"""predictions/tasks.py of the control `plain-delay`: a task runs one prediction, as most projects would have it."""

from uuid import UUID, uuid4

from celery import shared_task

from mlcore.engine import Success
from predictions.models import Prediction
from predictions.services.prediction_finish import Ending, prediction_finish
from predictions.worker import worker

TIMEOUT_SECONDS = 60.0


@shared_task(name="predictions.tasks.run", ignore_result=True)
def run(prediction_id: str) -> None:
    """Run the model and write what it answers."""
    asked = Prediction.objects.select_related("version__model").get(pk=prediction_id)
    (outcome,) = worker.lanes.engine.predict(asked.version.parsed, [asked.input], timeout_seconds=TIMEOUT_SECONDS)
    id = UUID(prediction_id)
    if isinstance(outcome, Success):
        ending = Ending(id, output=outcome.output)
    else:
        ending = Ending(id, reason=outcome.reason, error=outcome.message)
    prediction_finish(token=uuid4(), endings=[ending], run_seconds=None)
