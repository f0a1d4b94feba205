"""A person takes back what they asked."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db import connection

from accounts.models import User
from predictions import dispatch, metrics, waiting
from predictions.models import Prediction

log = structlog.get_logger(__name__)

CANCEL = """
    with gone as (delete from job where id = %(id)s and user_id = %(user)s returning *)
    update prediction set status = 'canceled', attempts = gone.attempts, completed_at = clock_timestamp()
    from gone where prediction.id = gone.id and prediction.status = 'starting' returning gone.token"""


def prediction_cancel(*, user: User, prediction_id: UUID) -> bool:
    """End a person's own prediction as canceled; False where it has ended before.

    The worker that runs it ends the run where that is for nobody else; a late answer finds no job, and is dropped.
    """
    with connection.cursor() as cursor:
        cursor.execute(CANCEL, {"id": str(prediction_id), "user": user.pk})
        canceled = cursor.fetchone()
    if canceled:
        if token := canceled[0]:
            dispatch.run_canceled(token)
        log.info("prediction_canceled", prediction_id=str(prediction_id))
        waiting.post.look([prediction_id])
        metrics.count_ended(Prediction.objects.filter(pk=prediction_id).select_related("version__model"))
    return bool(canceled)
