"""A person takes back what they asked."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db import connection

from accounts.models import User
from predictions import metrics, waiting
from predictions.models import Prediction

log = structlog.get_logger(__name__)

CANCEL = """
    with gone as (delete from job where id = %(id)s and user_id = %(user)s returning *)
    update prediction set status = 'canceled', attempts = gone.attempts, completed_at = clock_timestamp()
    from gone where prediction.id = gone.id and prediction.status = 'starting' returning prediction.id"""


def prediction_cancel(*, user: User, prediction_id: UUID) -> bool:
    """End a person's own prediction as canceled; False where it has ended before.

    A worker that runs it finds no job when it is done, and drops the answer.
    """
    with connection.cursor() as cursor:
        cursor.execute(CANCEL, {"id": str(prediction_id), "user": user.pk})
        canceled = cursor.fetchone() is not None
    if canceled:
        log.info("prediction_canceled", prediction_id=str(prediction_id))
        waiting.post.deliver([prediction_id])
        metrics.count_ended(Prediction.objects.filter(pk=prediction_id).select_related("version__model"))
    return canceled
