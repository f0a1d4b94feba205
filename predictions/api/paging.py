"""Pages of a list, with the full addresses of the pages beside it: clients use these as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from django.core.paginator import EmptyPage, Paginator
from django.db.models import Model, QuerySet
from rest_framework.request import Request

from mlcore.fields import FieldError
from predictions.api.problems import InvalidQuery
from predictions.api.representations import base_url
from predictions.models import Prediction
from predictions.models.predictions import PredictionQuerySet
from predictions.pages import page_of

Row = TypeVar("Row", bound=Model)

MAX_PAGE_SIZE = 100
NUMBERS = r"^[0-9]{0,9}$"
_NUMBER = re.compile(NUMBERS, re.ASCII)
PAGING = frozenset({"cursor", "page_size"})


def cursor_page(
    queryset: PredictionQuerySet, *, shown: PredictionQuerySet, request: Request
) -> tuple[list[Prediction], dict[str, Any]]:
    """Return a page of predictions, newest first, and the frame that its representation goes into."""
    cursor = request.query_params.get("cursor", "")
    page = page_of(queryset, shown=shown, cursor=cursor, size=_page_size(request))
    return page.rows, _frame(request, previous=page.previous, next=page.next)


def numbered_page(queryset: QuerySet[Row], *, request: Request) -> tuple[Sequence[Row], dict[str, Any]]:
    """Return a page of a list that is short and seldom changes; here the cursor is the page's number."""
    cursor = request.query_params.get("cursor") or "1"
    if not _NUMBER.fullmatch(cursor):
        raise InvalidQuery([FieldError("cursor", "is no cursor of ours: begin again at the first page", "format")])
    try:
        page = Paginator(queryset, _page_size(request)).page(int(cursor))
    except EmptyPage:
        return [], _frame(request, previous=None, next=None)
    return page.object_list, _frame(  # type: ignore[return-value]
        request,
        previous=str(page.previous_page_number()) if page.has_previous() else None,
        next=str(page.next_page_number()) if page.has_next() else None,
    )


def _page_size(request: Request) -> int:
    size = request.query_params.get("page_size", str(MAX_PAGE_SIZE))
    if not size.isdecimal() or not size.isascii() or int(size[:10]) == 0:
        raise InvalidQuery([FieldError("page_size", f"must be a whole number from 1 to {MAX_PAGE_SIZE}", "format")])
    return min(int(size[:10]), MAX_PAGE_SIZE)


def _frame(request: Request, *, previous: str | None, next: str | None) -> dict[str, Any]:
    def address(cursor: str | None) -> str | None:
        if cursor is None:
            return None
        parameters = request.query_params.copy()
        parameters["cursor"] = cursor
        return f"{base_url(request)}{request.path}?{parameters.urlencode()}"

    return {"previous": address(previous), "next": address(next)}
