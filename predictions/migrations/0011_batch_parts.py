"""Finds the parts of a batch file. Built beside what goes on: the ledger may be large."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("predictions", "0010_batches")]
    operations = [
        migrations.RunSQL("set statement_timeout = 0", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="prediction",
            index=models.Index(
                condition=models.Q(("door", 5)), fields=["call_id", "id"], name="prediction_batch"
            ),
        ),
        migrations.RunSQL("reset statement_timeout", migrations.RunSQL.noop),
    ]
