"""Who is calling: people, their API tokens, and the log of what they did that others should know."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

TOKEN_PREFIX = "alm_"  # noqa: S105
TOKEN_LIFETIME = timedelta(days=90)


class User(AbstractUser):
    """A person or a service with an account."""

    email = models.EmailField("e-mail address", blank=True)


class Scope(models.TextChoices):
    """What a token may do."""

    PREDICT = "predict", "make predictions"
    READ = "read", "read predictions, models and the account"
    PUBLISH = "publish", "register and promote versions"


def default_scopes() -> list[str]:
    """Return what a token may do when nobody chose."""
    return [Scope.PREDICT, Scope.READ]


def default_expiry() -> datetime:
    """Return when a token made now ends."""
    return timezone.now() + TOKEN_LIFETIME


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Tokens, narrowed by what may still be done with them."""

    def usable(self) -> ApiTokenQuerySet:
        """Return the tokens that authenticate now: not revoked, not expired, of an active person."""
        now = timezone.now()
        return self.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at__isnull=True, user__is_active=True
        )

    def visible_to(self, user: User) -> ApiTokenQuerySet:
        """Return a person's own tokens, newest first."""
        return self.filter(user=user).order_by("-created_at", "-pk")


class ApiToken(models.Model):
    """A key with which a program calls in a person's name. Only its SHA-256 is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, help_text="Where it is used, so that you know it again.")
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices), default=default_scopes)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, default=default_expiry)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        verbose_name_plural = "API tokens"

    def __str__(self) -> str:
        return f"{self.name} ({self.hint})"

    @property
    def hint(self) -> str:
        """The part of the secret that may be shown."""
        return f"{TOKEN_PREFIX}…{self.last_four}"

    @property
    def is_usable(self) -> bool:
        """True while neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())

    @staticmethod
    def digest_of(secret: str) -> bytes:
        """Return what is stored of a secret. The secret has 256 random bits, so a plain hash is enough."""
        return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()

    @staticmethod
    def new_secret() -> str:
        """Return a fresh secret. Its end names it at a prompt, so that it has no dash, which would begin an option."""
        return TOKEN_PREFIX + secrets.token_hex(32)


class AuditEntry(models.Model):
    """One thing somebody did that others must be able to look up: published, promoted, revoked, exported, deleted."""

    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    action = models.CharField(max_length=50, help_text="The name of the service that did it.")
    target = models.CharField(max_length=300)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["-at"], name="audit_newest")]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"

    @classmethod
    def write(cls, *, actor: User | None, action: str, target: str, **detail: Any) -> AuditEntry:
        """Note that somebody did something; call it in the transaction that does it."""
        return cls.objects.create(actor=actor, action=action, target=target, detail=detail)

    def name_subjects(self, ids: Iterable[UUID]) -> None:
        """Keep the id of each thing that it was done to, where a later question is about one of them."""
        AuditSubject.objects.bulk_create((AuditSubject(entry=self, object_id=id) for id in ids), batch_size=5_000)


class AuditSubject(models.Model):
    """One thing that an entry of the audit log is about: what is gone can still be told from what was lost."""

    pk = models.CompositePrimaryKey("object_id", "entry_id")
    object_id = models.UUIDField()
    entry = models.ForeignKey(AuditEntry, on_delete=models.CASCADE, related_name="subjects", db_index=False)

    def __str__(self) -> str:
        return str(self.object_id)
