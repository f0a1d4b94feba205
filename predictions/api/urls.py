"""The addresses of the API. No trailing slashes: a redirected POST is not posted again."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from predictions.api import account, batches, documentation, health, predictions, registry
from predictions.api.asking import SHA256, SLUG


class Slug(StringConverter):
    """An owner's or a model's name."""

    regex = SLUG


class Asked(StringConverter):
    """A model's name, with or without an alias."""

    regex = rf"{SLUG}(?:@{SLUG})?"


class Digest(StringConverter):
    """A version's id."""

    regex = SHA256


register_converter(Slug, "model-slug")
register_converter(Asked, "model-asked")
register_converter(Digest, "version-id")

MODEL = "api/v1/models/<model-slug:owner>/<model-slug:name>"

api = [
    path("api/v1/predictions", predictions.PredictionList.as_view(), name="api-predictions"),
    path("api/v1/predictions/<uuid:prediction_id>", predictions.PredictionDetail.as_view(), name="api-prediction"),
    path(
        "api/v1/predictions/<uuid:prediction_id>/cancel",
        predictions.PredictionCancel.as_view(),
        name="api-prediction-cancel",
    ),
    path("api/v1/batches", batches.BatchList.as_view(), name="api-batches"),
    path("api/v1/batches/<uuid:batch_id>", batches.BatchDetail.as_view(), name="api-batch"),
    path("api/v1/batches/<uuid:batch_id>/cancel", batches.BatchCancel.as_view(), name="api-batch-cancel"),
    path("api/v1/batches/<uuid:batch_id>/answers", batches.BatchAnswers.as_view(), name="api-batch-answers"),
    path("api/v1/batches/<uuid:batch_id>/errors", batches.BatchErrors.as_view(), name="api-batch-errors"),
    path("api/v1/models", registry.ModelList.as_view(), name="api-models"),
    path(MODEL, registry.ModelDetail.as_view(), name="api-model"),
    path(
        "api/v1/models/<model-slug:owner>/<model-asked:name>/predictions",
        predictions.ModelPredictions.as_view(),
        name="api-model-predictions",
    ),
    path(f"{MODEL}/versions", registry.VersionList.as_view(), name="api-versions"),
    path(f"{MODEL}/versions/<version-id:sha256>", registry.VersionDetail.as_view(), name="api-version"),
    path("api/v1/account", account.Account.as_view(), name="api-account"),
]

urlpatterns = [
    *api,
    path("api/openapi.json", documentation.OpenAPI.as_view(patterns=api), name="api-openapi"),
    path("api/docs", documentation.Docs.as_view(), name="api-docs"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.scrape, name="metrics"),
]
