"""The addresses of the pages."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from predictions.web import history, home, model, prediction


class NameConverter(StringConverter):
    """What an owner or a model may be called."""

    regex = "[a-z0-9._-]+"


register_converter(NameConverter, "name")

urlpatterns = [
    path("", home.home, name="home"),
    path("models/<name:owner>/<name:name>", model.model, name="model"),
    path("predictions/", history.predictions, name="predictions"),
    path("predictions/export", history.predictions_export_view, name="predictions-export"),
    path("predictions/delete", history.predictions_delete, name="predictions-delete"),
    path("predictions/<uuid:prediction_id>", prediction.prediction, name="prediction"),
    path("predictions/<uuid:prediction_id>/cancel", prediction.prediction_cancel_view, name="prediction-cancel"),
]
