"""The ledger: one row for each prediction, written twice (created, ended) and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, Exists, OuterRef, Q, Value, When
from django.db.models.functions import Now
from django.urls import reverse

from mlcore.errors import REASONS, EngineError
from predictions.models.fields import PlainJSONField
from predictions.models.ids import uuid7
from predictions.models.queue import Job
from predictions.models.registry import ModelVersion

if TYPE_CHECKING:
    from accounts.models import User


class Status(models.TextChoices):
    """Replicate's five words. `processing` is never stored: it means that the job has a token."""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


TERMINAL = (Status.SUCCEEDED, Status.FAILED, Status.CANCELED)


class Reason(models.TextChoices):
    """Why a prediction failed: a closed list. The engine's own reasons stand in mlcore.errors."""

    MODEL_ERROR = "model_error", "the model raised an error"
    INVALID_OUTPUT = "invalid_output", "the answer did not fit the schema"
    TIMEOUT = "timeout", "the model took too long"
    OUT_OF_MEMORY = "out_of_memory", "the model needed too much memory"
    RUNNER_CRASHED = "runner_crashed", "the model's process crashed"
    WORKER_LOST = "worker_lost", "the worker was lost three times"
    ARTIFACT_INTEGRITY = "artifact_integrity", "the model file is not the registered one"
    LOAD_FAILED = "load_failed", "the model could not be loaded"
    VERSION_WITHDRAWN = "version_withdrawn", "the version was withdrawn"

    @property
    def retryable(self) -> bool:
        """True where asking again can help."""
        kind: type[EngineError] | None = REASONS.get(self.value)
        return kind.retryable if kind else self is Reason.WORKER_LOST


class Door(models.IntegerChoices):
    """The way a prediction came in."""

    WEB = 1, "web page"
    API = 2, "REST API"
    COMMAND = 3, "command"
    ADMIN = 4, "admin"
    BATCH = 5, "batch file"


class PredictionQuerySet(models.QuerySet["Prediction"]):
    """Predictions, narrowed by who asks and by what they look for."""

    def visible_to(self, user: User) -> PredictionQuerySet:
        """Return a person's own predictions. A range, for `along`."""
        return self.filter(user_id__gte=user.pk, user_id__lte=user.pk)

    def along(self, column: str, *, oldest_first: bool = False) -> Self:
        """Order the rows of one person, or of one version, so that they are found along the index that begins with it.

        Asked for `user_id = 7` by id, PostgreSQL may go back through everybody's predictions in the hope to meet enough
        of that person's, who may have asked nothing for a year. Of a range, which it does not know to be one value, and
        in the order of that index, it cannot. column: user_id or version_id.
        """
        return self.order_by(f"-{column}", "id") if oldest_first else self.order_by(column, "-id")

    def single(self) -> PredictionQuerySet:
        """Leave out the parts of batch files."""
        return self.exclude(door=Door.BATCH)

    def with_status(self) -> PredictionQuerySet:
        """Add `live_status`, which tells `processing` from `starting`."""
        claimed = Exists(Job.objects.filter(pk=OuterRef("pk"), token__isnull=False))
        waiting = Q(status=Status.STARTING)
        return self.annotate(
            live_status=Case(
                When(waiting & claimed, then=Value(str(Status.PROCESSING))),
                default="status",
                output_field=models.TextField(),
            )
        )

    def in_status(self, status: str) -> PredictionQuerySet:
        """Narrow to one of the five words."""
        if status in TERMINAL:
            return self.filter(status=status)
        # The queue is short, and says whose a job is: nothing else of the ledger need be looked at.
        mine = Job.objects.filter(pk=OuterRef("pk"), user_id=OuterRef("user_id"))
        return self.filter(Exists(mine.filter(token__isnull=status == Status.STARTING)), status=Status.STARTING)

    def of_version(self, version_id: int) -> PredictionQuerySet:
        """Narrow to a version. A range, for `along`."""
        return self.filter(version_id__gte=version_id, version_id__lte=version_id)

    def of_model(self, model_id: int) -> PredictionQuerySet:
        """Narrow to a model, by its versions and not by a join: PostgreSQL knows how often each version was asked."""
        return self.filter(version__in=list(ModelVersion.objects.filter(model=model_id).values_list("pk", flat=True)))

    def newest_first(self) -> PredictionQuerySet:
        """Order by id, which is the order of creation."""
        return self.order_by("-id")


class Prediction(models.Model):
    """What was asked, by whom, through which door, and what which version answered."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="predictions", db_index=False
    )
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="predictions", db_index=False)
    door = models.SmallIntegerField(choices=Door.choices)
    call_id = models.UUIDField(help_text="Shared by the rows that one call made.")
    request_id = models.CharField(max_length=64, blank=True)
    input = PlainJSONField()
    warnings = PlainJSONField(null=True, help_text="Values outside what training saw.")
    status = models.TextField(choices=Status.choices, default=Status.STARTING)
    output = PlainJSONField(null=True)
    reason = models.TextField(null=True, choices=Reason.choices)
    error = models.TextField(null=True)
    traceback = models.TextField(null=True)
    attempts = models.SmallIntegerField(default=0)
    job_token = models.UUIDField(null=True)
    finished_by = models.UUIDField(null=True, help_text="Equals job_token, or is empty where no worker ended it.")
    data_removed = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    run_seconds = models.FloatField(null=True, help_text="The time the model itself took, shared by a micro-batch.")

    objects = PredictionQuerySet.as_manager()

    class Meta:
        db_table = "prediction"
        indexes = [
            # What lists are narrowed by is included: a page is found in the index alone, before its rows are read.
            models.Index(fields=["user", "-id"], include=["version", "door"], name="prediction_of_user"),
            models.Index(fields=["version", "-id"], include=["door"], name="prediction_of_version"),
            # The rest hold what is rare, and cost the others nothing.
            models.Index(
                fields=["user", "-id"],
                name="prediction_user_unhappy",
                condition=Q(status__in=["failed", "canceled"]),
            ),
            models.Index(
                fields=["status", "-id"], name="prediction_unhappy", condition=Q(status__in=["failed", "canceled"])
            ),
            models.Index(fields=["door", "-id"], name="prediction_door", condition=~Q(door=2)),
            # The parts of a batch file share its id as their call_id.
            models.Index(fields=["call_id", "id"], name="prediction_batch", condition=Q(door=5)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["starting", "succeeded", "failed", "canceled"]),
                name="prediction_status",
            ),
            models.CheckConstraint(condition=Q(attempts__lte=3), name="prediction_attempts"),
            models.CheckConstraint(
                condition=Q(status="starting", completed_at__isnull=True)
                | (~Q(status="starting") & Q(completed_at__isnull=False)),
                name="prediction_completed",
            ),
            models.CheckConstraint(
                condition=Q(status="failed", reason__isnull=False) | (~Q(status="failed") & Q(reason__isnull=True)),
                name="prediction_reason",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def get_absolute_url(self) -> str:
        """Return the prediction's page."""
        return reverse("prediction", args=[self.id])

    @property
    def is_over(self) -> bool:
        """True once it has ended; it never changes again."""
        return self.status in TERMINAL

    @property
    def queue_seconds(self) -> float | None:
        """The time it waited for a worker."""
        return (self.started_at - self.created_at).total_seconds() if self.started_at else None

    @property
    def total_seconds(self) -> float | None:
        """The time from acceptance to its end."""
        return (self.completed_at - self.created_at).total_seconds() if self.completed_at else None


class IdempotencyKey(models.Model):
    """A key under which a person's call was made; the same key never makes a second one."""

    # No index of its own: that of the constraint begins with it.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    request_sha256 = models.BinaryField(max_length=32)
    ids = models.JSONField(help_text="The predictions that the call made, in order.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_user_key")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_age")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at:%F %T}"
