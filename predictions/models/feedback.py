"""What people say about predictions afterwards. The predictions themselves never change."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from predictions.models.predictions import Prediction


class Truth(models.Model):
    """What was really so."""

    prediction = models.OneToOneField(Prediction, on_delete=models.CASCADE, primary_key=True, related_name="truth")
    value = models.JSONField(help_text="What was really so, as the model should have answered it.")
    told_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    told_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.value)


class Note(models.Model):
    """A remark on a prediction."""

    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.text[:80]
