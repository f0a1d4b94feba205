"""The ledger's indexes, so that a list of ten million is found as fast as one of ten thousand.

All of it is built and dropped CONCURRENTLY, beside what goes on; each new index is there before the old one goes. It waits
for those who work, and nobody waits for it. Only the index of a key's user is dropped in the ordinary way: its table
has the keys of one day.
"""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

UNHAPPY = models.Q(("status__in", ["failed", "canceled"]))


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("predictions", "0012_retention")]
    operations = [
        migrations.RunSQL("set statement_timeout = 0; set lock_timeout = 0", migrations.RunSQL.noop),
        AddIndexConcurrently(
            "prediction",
            models.Index(fields=["user", "-id"], include=["version", "door"], name="prediction_of_user"),
        ),
        RemoveIndexConcurrently("prediction", "prediction_user"),
        AddIndexConcurrently(
            "prediction", models.Index(fields=["version", "-id"], include=["door"], name="prediction_of_version")
        ),
        RemoveIndexConcurrently("prediction", "prediction_version"),
        AddIndexConcurrently(
            "prediction", models.Index(fields=["status", "-id"], condition=UNHAPPY, name="prediction_unhappy")
        ),
        AddIndexConcurrently(
            "prediction",
            models.Index(fields=["door", "-id"], condition=~models.Q(door=2), name="prediction_door"),
        ),
        migrations.RunSQL("reset statement_timeout; reset lock_timeout", migrations.RunSQL.noop),
        migrations.AlterField(
            "idempotencykey",
            "user",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
