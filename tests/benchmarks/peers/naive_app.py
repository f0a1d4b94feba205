"""Django, DRF and Celery in the plainest way: a row and a task for each prediction, and the view looks until it ends.

`python naive_app.py` makes the database, its tables, and the token "naive".
"""

import os
import sys
import time

import django
from django.conf import settings

SOCKETS = os.environ["SOCKETS"]
BROKER = f"{SOCKETS}/valkey.sock"

# What `celery -A` and gunicorn import under this name must be one module with what Django loads.
sys.modules["naive_app"] = sys.modules[__name__]
settings.configure(
    SECRET_KEY="only measured",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="naive_app",
    USE_TZ=True,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework.authtoken",
        "naive_app",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "naive",
            "USER": "postgres",
            "HOST": SOCKETS,
            "CONN_MAX_AGE": None,
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
)
django.setup()

import joblib  # noqa: E402
import psycopg2  # noqa: E402
from celery import Celery  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import serializers, views  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework.response import Response  # noqa: E402

celery = Celery("naive", broker=f"redis+socket://{BROKER}?virtual_host=9")
application = get_wsgi_application()
LOOK_SECONDS = 0.005


class Prediction(models.Model):
    """What was asked and what was answered."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    input = models.JSONField()
    output = models.JSONField(null=True)
    status = models.CharField(max_length=20, default="pending")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "naive_app"


class Question(serializers.Serializer):
    """Thirty numbers."""

    input = serializers.ListField(child=serializers.FloatField(), min_length=30, max_length=30)


@celery.task(name="predict", ignore_result=True)
def predict(prediction_id):
    """Answer one prediction."""
    prediction = Prediction.objects.get(pk=prediction_id)
    prediction.output = loaded().predict_proba([prediction.input])[0].tolist()
    prediction.status = "succeeded"
    prediction.save(update_fields=["output", "status"])


def loaded(kept=[]):  # noqa: B006 - loaded once a process
    """Return the model."""
    if not kept:
        kept.append(joblib.load(os.environ["MODEL_FILE"]))
    return kept[0]


class Predict(views.APIView):
    """Ask, and wait for the answer."""

    def post(self, request):
        """Make a row and a task of it, and look until it has been answered."""
        question = Question(data=request.data)
        question.is_valid(raise_exception=True)
        prediction = Prediction.objects.create(user=request.user, input=question.validated_data["input"])
        predict.delay(prediction.pk)
        while prediction.status == "pending":
            time.sleep(LOOK_SECONDS)
            prediction.refresh_from_db(fields=["status", "output"])
        return Response({"id": prediction.pk, "probabilities": prediction.output}, status=201)


urlpatterns = [path("predict", Predict.as_view())]


def prepare():
    """Make the database anew."""
    server = psycopg2.connect(host=SOCKETS, user="postgres", dbname="postgres")
    server.autocommit = True
    server.cursor().execute("drop database if exists naive with (force)")
    server.cursor().execute("create database naive")
    server.close()
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Prediction)
    Token.objects.create(key="naive", user=User.objects.create_user("alice"))


if __name__ == "__main__":
    prepare()
