"""What all views of the API share."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.views import APIView

from mlcore.fields import FieldError
from predictions.api.parsing import LengthRequired
from predictions.api.problems import InvalidQuery


class View(APIView):
    """A view of the API. It takes the parameters of the address that it names, and no others."""

    http_method_names = ["get", "post", "head"]  # OPTIONS is answered by the CORS middleware
    parameters: frozenset[str] = frozenset()

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Have browsers ask again: what is here belongs to one person and changes."""
        return {"Allow": ", ".join(self.allowed_methods), "Cache-Control": "private, no-cache"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check who calls, how often, and that nothing in the call goes unheard."""
        super().initial(request, *args, **kwargs)
        if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
            raise LengthRequired
        unknown = request.query_params.keys() - self.parameters
        if unknown:
            raise InvalidQuery(
                [FieldError(name[:80], "is not a parameter of this call", "unknown") for name in sorted(unknown)]
            )
