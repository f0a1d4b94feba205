"""Celery's door: a ring comes in, a lane turns."""

from celery import shared_task

from config.rings import LANE_TASK
from predictions.worker import worker


@shared_task(name=LANE_TASK, ignore_result=True)
def lane(version_id: int) -> None:
    """Claim, run and finish until nothing waits for the version. Returns at once where its lane turns already."""
    worker.lanes.turn(int(version_id))
