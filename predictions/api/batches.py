"""Batch files: send, look, list, cancel, fetch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Scope, User
from mlcore.fields import FieldError
from predictions.api import operations
from predictions.api.answering import version_asked
from predictions.api.asking import version_named
from predictions.api.base import View
from predictions.api.operations import FILE_FORMATS
from predictions.api.paging import PAGING, numbered_page
from predictions.api.parsing import JSONParser
from predictions.api.problems import InvalidBody, InvalidQuery
from predictions.api.representations import base_url, batch_json
from predictions.api.uploads import IncomingUpload, ReceivedFile
from predictions.batch_files import Received, received_file, source_path
from predictions.errors import FileTooLarge
from predictions.models import Batch
from predictions.selectors import BatchProgress, batch_progress
from predictions.services.batch_answers import batch_answers, batch_errors
from predictions.services.batch_cancel import batch_cancel
from predictions.services.batch_create import batch_create

FORM_BYTES = 1 << 20  # of what stands around the file
KNOWN = {"file", "path", "model", "version", "ignore_extra_columns"}
FLAGS = {"true": True, "false": False, True: True, False: False, None: False}


class BatchList(View):
    """Send a file of rows, or list those you sent."""

    scopes = {"POST": Scope.PREDICT}
    parser_classes = [MultiPartParser, JSONParser]

    @property
    def parameters(self) -> frozenset[str]:  # type: ignore[override]
        """The page: of a list alone."""
        return PAGING if self.request.method in ("GET", "HEAD") else frozenset()

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Have a file written to where it stays: said before anything reads the body."""
        request.upload_handlers = [IncomingUpload(request)]
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(**operations.BATCH_LIST)
    def get(self, request: Request) -> Response:
        """Return one's own batches, newest first."""
        mine = Batch.objects.visible_to(_user(request)).select_related("version__model").order_by("-id")
        rows, frame = numbered_page(mine, request=request)
        base = base_url(request)
        return Response(frame | {"results": [batch_json(row, base=base, progress=_known(row)) for row in rows]})

    @extend_schema(**operations.BATCH_CREATE)
    def post(self, request: Request) -> Response:
        """Accept the file, and have it answered."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.BATCH_MAX_BYTES + FORM_BYTES:
            raise FileTooLarge(settings.BATCH_MAX_BYTES)
        body = _body(request.data)
        file = body.pop("file", None)
        try:
            batch = _created(_user(request), body, file)
        finally:
            if isinstance(file, ReceivedFile):
                file.received.discard()
        document = batch_json(batch, base=base_url(request), progress=BatchProgress())
        headers = {"Location": document["urls"]["get"]}
        return Response(document, status=status.HTTP_201_CREATED, headers=headers)


class BatchDetail(View):
    """One batch."""

    @extend_schema(**operations.BATCH_GET)
    def get(self, request: Request, batch_id: UUID) -> Response:
        """Return the batch as it is now."""
        return _shown(request, batch_id)


class BatchCancel(View):
    """Take back a batch."""

    scopes = {"POST": Scope.PREDICT}

    @extend_schema(**operations.BATCH_CANCEL)
    def post(self, request: Request, batch_id: UUID) -> Response:
        """Cancel, and return the batch as it is now; one that had ended stays as it was."""
        batch_cancel(user=_user(request), batch_id=batch_id)
        return _shown(request, batch_id)


class BatchAnswers(View):
    """The answers as a file."""

    parameters = frozenset({"format"})

    @extend_schema(**operations.BATCH_ANSWERS)
    def get(self, request: Request, batch_id: UUID) -> StreamingHttpResponse:
        """Stream the answers."""
        return _file(request, batch_id, "answers", batch_answers)


class BatchErrors(View):
    """What is wrong with the other rows, as a file."""

    parameters = frozenset({"format"})

    @extend_schema(**operations.BATCH_ERRORS)
    def get(self, request: Request, batch_id: UUID) -> StreamingHttpResponse:
        """Stream the errors."""
        return _file(request, batch_id, "errors", batch_errors)


def _body(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InvalidBody([FieldError("", "must be an object with “path” in it", "type")])
    errors = [
        FieldError(str(name)[:80], "is not a field of this call", "unknown") for name in data if name not in KNOWN
    ]
    if errors:
        _discard(data)
        raise InvalidBody(errors[:100])
    return dict(data.items())


def _discard(data: Any) -> None:
    for value in data.values():
        if isinstance(value, ReceivedFile):
            value.received.discard()


def _created(user: User, body: dict[str, Any], file: object) -> Batch:
    errors: list[FieldError] = []
    model, sha256 = version_named(body, errors)
    ignore_extra = body.get("ignore_extra_columns")
    if not isinstance(ignore_extra, str | bool | None) or ignore_extra not in FLAGS:
        errors.append(FieldError("ignore_extra_columns", "must be true or false", "type"))
    path = body.get("path")
    if (file is None) == (path is None):
        errors.append(
            FieldError("file", "is required: either “file”, or “path” of one in the server's store", "required")
        )
    elif file is not None and not isinstance(file, ReceivedFile):
        errors.append(FieldError("file", "must be a file, sent as multipart/form-data", "type"))
    elif path is not None and not isinstance(path, str):
        errors.append(FieldError("path", "must be text", "type"))
    if errors:
        raise InvalidBody(errors)
    version = version_asked(user, model=model, sha256=sha256)
    received = file.received if isinstance(file, ReceivedFile) else _referred(str(path))
    return batch_create(user=user, version=version, received=received, ignore_extra=FLAGS[ignore_extra])


def _referred(path: str) -> Received:
    return received_file(source_path(path))


def _shown(request: Request, batch_id: UUID) -> Response:
    batch = _own(_user(request), batch_id)
    return Response(batch_json(batch, base=base_url(request), progress=batch_progress(batch)))


def _known(batch: Batch) -> BatchProgress:
    """How far a batch of a list is: what has ended tells itself."""
    if not batch.is_over:
        return batch_progress(batch)
    good, bad = batch.good or 0, batch.bad or 0
    return BatchProgress(batch.parts or 0, batch.parts or 0, good + bad, bad)


def _own(user: User, batch_id: UUID) -> Batch:
    batch = Batch.objects.visible_to(user).select_related("version__model").filter(pk=batch_id).first()
    if batch is None:
        raise NotFound("There is no such batch, or it is not yours to see.")
    return batch


def _file(
    request: Request, batch_id: UUID, kind: str, service: Callable[..., Iterator[bytes]]
) -> StreamingHttpResponse:
    wanted = request.query_params.get("format", "csv")
    if wanted not in FILE_FORMATS:
        raise InvalidQuery([FieldError("format", f"must be one of {', '.join(FILE_FORMATS)}", "choice")])
    batch = _own(_user(request), batch_id)
    format, _, packed = wanted.partition(".")
    pieces = service(batch=batch, format=format, packed=bool(packed))
    response = StreamingHttpResponse(pieces, content_type=FILE_FORMATS[wanted])
    response.headers["Content-Disposition"] = f'attachment; filename="{kind}-{batch.pk}.{wanted}"'
    return response


def _user(request: Request) -> User:
    return request.user  # type: ignore[return-value]
