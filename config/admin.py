"""Manners that all review pages share: facts are read only, and what cannot be undone asks first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """Shows rows, and leaves every change to actions, which call services."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: rows are made by services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: facts stay as they are."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never from here."""
        return False

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:  # type: ignore[override]
        """Run an action on rows that are there; what cannot be an id, or is nobody's, is said so."""
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if chosen and not self._are_there(queryset, chosen):
            messages.error(request, "None of what was chosen is there.")
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset)

    def _are_there(self, queryset: QuerySet[Any], chosen: list[str]) -> bool:
        key: Any = self.opts.pk
        try:
            ids = [key.clean(text, None) for text in chosen]
        except ValidationError:
            return False
        return queryset.filter(pk__in=ids).exists()


def is_confirmed(request: HttpRequest) -> bool:
    """True where the person has seen the question and said yes."""
    return "confirmed" in request.POST


def ask_first(
    request: HttpRequest,
    *,
    admin: ModelAdmin,
    chosen: Sequence[Model],
    question: str,
    warning: str = "",
    form: Form | None = None,
) -> TemplateResponse:
    """Return the page that asks whether to run the posted action on the chosen rows.

    form: what else the action needs to know; its fields come back with the yes.
    """
    context = {
        **admin.admin_site.each_context(request),
        "title": question,
        "warning": warning,
        "form": form,
        "opts": admin.opts,
        "chosen": chosen,
        "checkbox": ACTION_CHECKBOX_NAME,
        "action": request.POST["action"],
    }
    return TemplateResponse(request, "admin/ask_first.html", context)
