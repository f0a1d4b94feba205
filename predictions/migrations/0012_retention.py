"""For how long a model's predictions are kept: for ever, as before, until somebody says otherwise."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("predictions", "0011_batch_parts")]
    operations = [
        migrations.AddField(
            model_name="registeredmodel",
            name="retention_days",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Days; empty: for ever. `manage.py prunepredictions` deletes what is older.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(36500),
                ],
                verbose_name="predictions are kept for",
            ),
        ),
        migrations.AddConstraint(
            model_name="registeredmodel",
            constraint=models.CheckConstraint(
                condition=models.Q(("retention_days__gte", 1)), name="model_retention"
            ),
        ),
    ]
