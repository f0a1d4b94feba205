"""Which models exist, which versions they have, and which version answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from mlcore.manifest import Manifest
from mlcore.schema import Schema
from predictions.models.fields import PlainJSONField

if TYPE_CHECKING:
    from accounts.models import User

CHAMPION = "champion"
LONGEST_DAYS = 36_500  # that predictions can be told to be kept, short of for ever
_PARSED: dict[str, Manifest] = {}

is_slug = RegexValidator(r"\A[a-z0-9]([a-z0-9._-]*[a-z0-9])?\Z", "Use small letters, digits, and . _ - between them.")


class Visibility(models.TextChoices):
    """Who may find and use a model."""

    PUBLIC = "public", "everyone with an account"
    PRIVATE = "private", "its members and staff"


class RegisteredModelQuerySet(models.QuerySet["RegisteredModel"]):
    """Models, narrowed by who asks."""

    def visible_to(self, user: User) -> RegisteredModelQuerySet:
        """Return the models a person may find and use."""
        if user.is_staff and user.has_perm("predictions.view_registeredmodel"):
            return self
        return self.filter(Q(visibility=Visibility.PUBLIC) | Q(members=user)).distinct()

    def named(self, full_name: str) -> RegisteredModelQuerySet:
        """Narrow to `owner/name`."""
        owner, _, name = full_name.partition("/")
        return self.filter(owner=owner, name=name)


class RegisteredModel(models.Model):
    """A model: an owner and a name under which versions are registered."""

    owner = models.CharField(max_length=60, validators=[is_slug])
    name = models.CharField(max_length=100, validators=[is_slug])
    description = models.CharField(max_length=500, blank=True, help_text="One sentence: what it answers, from what.")
    card = models.TextField("model card", blank=True, help_text="What it was trained on, how good it is, its limits.")
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.PUBLIC)
    retention_days = models.PositiveIntegerField(
        "predictions are kept for",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_DAYS)],
        help_text="Days; empty: for ever. `manage.py prunepredictions` deletes what is older.",
    )
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="member_models")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = RegisteredModelQuerySet.as_manager()

    class Meta:
        verbose_name = "model"
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="model_owner_name"),
            models.CheckConstraint(condition=Q(retention_days__gte=1), name="model_retention"),  # or it is null
        ]
        ordering = ["owner", "name"]

    def __str__(self) -> str:
        return self.full_name

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    def get_absolute_url(self) -> str:
        """Return the model's page."""
        return reverse("model", args=[self.owner, self.name])

    def version_of(self, alias: str = CHAMPION) -> ModelVersion | None:
        """Return the version an alias points at."""
        return ModelVersion.objects.filter(aliases__model=self, aliases__name=alias).first()


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    """Versions, narrowed by who asks and by whether they still answer."""

    def visible_to(self, user: User) -> ModelVersionQuerySet:
        """Return the versions of the models a person may use."""
        return self.filter(model__in=RegisteredModel.objects.visible_to(user))

    def answering(self) -> ModelVersionQuerySet:
        """Leave out what was withdrawn."""
        return self.filter(withdrawn_at__isnull=True)


class ModelVersion(models.Model):
    """One immutable artifact of a model with its schema. A trigger refuses changes to what identifies it."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    sha256 = models.CharField("version id", max_length=64, unique=True)
    manifest = models.JSONField(
        help_text="Format, artifact, size, schema and library versions, as the engine reads them."
    )
    sample_sha256 = models.CharField(max_length=64, blank=True)
    metrics = PlainJSONField(default=dict, blank=True)
    examples = PlainJSONField(default=list, blank=True, help_text="Stored inputs with the output of each.")
    registered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    vouched_by = models.CharField(max_length=150, blank=True, help_text="Who said that this program may run here.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        verbose_name = "version"
        constraints = [models.UniqueConstraint(fields=["model", "number"], name="version_model_number")]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.model.full_name} v{self.number}"

    @property
    def parsed(self) -> Manifest:
        """The manifest as the engine's object; parsed once a process, since a version never changes."""
        if self.sha256 not in _PARSED:
            _PARSED[self.sha256] = Manifest.from_json(self.manifest)
        return _PARSED[self.sha256]

    @property
    def schema(self) -> Schema:
        """The typed signature of inputs and output."""
        return self.parsed.schema

    @property
    def format(self) -> str:
        """The artifact's format, a name in the engine's table of runtimes."""
        return self.parsed.format


class Alias(models.Model):
    """A name that points at a version of a model; `champion` answers by default."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=60, validators=[is_slug])
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="aliases")
    moved_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "aliases"
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="alias_model_name")]
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.model.full_name}@{self.name}"
