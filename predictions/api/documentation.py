"""The API described: as OpenAPI, with a path of its own for each model the reader may see, and as pages."""

from __future__ import annotations

from typing import Any

from django.middleware.csrf import get_token
from django.urls import reverse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from predictions.api.operations import refusal_components, refusals
from predictions.api.rendering import JSONRenderer
from predictions.api.shapes import SHAPES, Shape, shape
from predictions.models import CHAMPION, Alias, ModelVersion, RegisteredModel


class TokenScheme(OpenApiAuthenticationExtension):
    """Tells OpenAPI of our tokens."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> Shape:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "description": "An API token: alm_…"}


class Generator(SchemaGenerator):
    """The calls that all share, and those of each model."""

    def get_schema(self, request: Request | None = None, public: bool = False) -> Shape:
        """Return the document for who asks; strangers see no models."""
        document: Shape = super().get_schema(request=request, public=public)
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(SHAPES)
        components["responses"] = refusal_components()
        for call in (call for path in document["paths"].values() for call in path.values()):
            call["responses"] |= refusals(call)
        if request is not None and request.user.is_authenticated:
            for version in _champions(request.user):
                _add_model(document, version)
        return document


class OpenAPI(SpectacularAPIView):
    """The document."""

    http_method_names = ["get", "head"]
    permission_classes = [AllowAny]
    renderer_classes = [JSONRenderer]
    generator_class = Generator

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return it."""
        generator = Generator(patterns=self.patterns)
        return Response(generator.get_schema(request=request, public=True))


class Docs(SpectacularSwaggerSplitView):
    """The document as pages; a token or the session's own cookie tries the calls out."""

    http_method_names = ["get", "head"]
    permission_classes = [AllowAny]
    url_name = "api-openapi"
    template_name = "predictions/api_docs.html"

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the page, or the script that starts it: apart, since our pages have no inline scripts."""
        get_token(request._request)
        self.url_self = reverse("api-docs")
        return super().get(request, *args, **kwargs)


def _champions(user: User) -> list[ModelVersion]:
    visible = RegisteredModel.objects.visible_to(user)
    aliases = Alias.objects.filter(name=CHAMPION, model__in=visible, version__withdrawn_at__isnull=True)
    return [alias.version for alias in aliases.select_related("version__model").order_by("model__owner", "model__name")]


def _add_model(document: Shape, version: ModelVersion) -> None:
    """Add the model's own path, with the very schemas that its inputs are checked against."""
    name = version.model.full_name
    component = name.replace("/", ".")
    shapes = document["components"]["schemas"]
    shapes[f"{component}.Input"] = {"title": f"Input of {name}", **version.schema.input_json()}
    shapes[f"{component}.Output"] = {"title": f"Output of {name}", **version.schema.output_json()}
    shapes[f"{component}.Prediction"] = {
        "allOf": [
            shape("Prediction"),
            {
                "properties": {
                    "input": shape(f"{component}.Input"),
                    "output": {"oneOf": [shape(f"{component}.Output"), {"type": "null"}]},
                }
            },
        ]
    }
    general = document["paths"]["/api/v1/models/{owner}/{name}/predictions"]["post"]
    ask: Shape = {
        "schema": {
            "type": "object",
            "properties": {"input": shape(f"{component}.Input")},
            "required": ["input"],
            "additionalProperties": False,
        }
    }
    if version.examples:
        ask["example"] = {"input": version.examples[0]["input"]}
    document["paths"][f"/api/v1/models/{name}/predictions"] = {
        "post": {
            "operationId": f"{component}.predict",
            "summary": version.model.description or f"Ask {name}",
            "tags": [name],
            "parameters": [each for each in general["parameters"] if each["in"] == "header"],
            "requestBody": {"content": {"application/json": ask}, "required": True},
            "responses": {
                **general["responses"],
                "201": {
                    "description": "Accepted, and kept.",
                    "content": {"application/json": {"schema": shape(f"{component}.Prediction")}},
                },
            },
            "security": general["security"],
        }
    }
