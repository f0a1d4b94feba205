"""Batch files: a file of rows, answered in parts. Each part is a prediction, whose call_id is the batch's id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from predictions.models.ids import uuid7
from predictions.models.predictions import TERMINAL, Door, Prediction, Status
from predictions.models.registry import ModelVersion

if TYPE_CHECKING:
    from accounts.models import User
    from predictions.models.predictions import PredictionQuerySet

INVALID_FILE = "invalid_file"  # beside the reasons of predictions


class BatchQuerySet(models.QuerySet["Batch"]):
    """Batches, narrowed by who asks and by how far they are."""

    def visible_to(self, user: User) -> BatchQuerySet:
        """Return a person's own batches."""
        return self.filter(user=user)

    def open(self) -> BatchQuerySet:
        """Narrow to those that have not ended."""
        return self.exclude(status__in=TERMINAL)


class Batch(models.Model):
    """A file of rows that somebody asked one version to answer."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="batches")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="batches")
    file_name = models.CharField(max_length=255, blank=True, help_text="As its owner calls it.")
    input_sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    format = models.CharField(max_length=10)
    ignores_extra = models.BooleanField(default=False, help_text="Columns that the model does not know are left out.")
    rows = models.BigIntegerField(null=True, help_text="In the file; not known before it is cut.")
    parts = models.IntegerField(null=True)
    good = models.BigIntegerField(null=True, help_text="Rows answered, once it has ended.")
    bad = models.BigIntegerField(null=True, help_text="Rows in the errors file, once it has ended.")
    status = models.TextField(choices=Status.choices, default=Status.STARTING)
    reason = models.TextField(null=True)
    error = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    cut_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "batches"
        indexes = [
            models.Index(fields=["user", "-id"], name="batch_user"),
            models.Index(fields=["id"], name="batch_open", condition=Q(status__in=["starting", "processing"])),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="batch_status"),
            models.CheckConstraint(
                condition=Q(status__in=["starting", "processing"], completed_at__isnull=True)
                | (Q(status__in=["succeeded", "failed", "canceled"]) & Q(completed_at__isnull=False)),
                name="batch_completed",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_over(self) -> bool:
        """True once it has ended."""
        return self.status in TERMINAL

    @property
    def part_rows(self) -> PredictionQuerySet:
        """The ledger's rows of this batch: the one that cuts the file, then the parts in order."""
        return Prediction.objects.filter(call_id=self.pk, door=Door.BATCH).order_by("id")
