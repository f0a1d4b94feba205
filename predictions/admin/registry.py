"""Models, versions and aliases: which version answers is decided here, with a question before each step."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.admin import ReadOnlyAdmin, ask_first, is_confirmed
from predictions.admin import rendering
from predictions.errors import Refusal
from predictions.models import CHAMPION, Alias, ModelVersion, RegisteredModel
from predictions.services.alias_move import alias_move
from predictions.services.alias_rollback import alias_rollback, version_before
from predictions.services.retention_set import retention_set
from predictions.services.version_withdraw import version_withdraw


class PromoteForm(forms.Form):
    """Under which name the version is to answer."""

    alias = forms.CharField(
        max_length=60, initial=CHAMPION, help_text="“champion” answers by default; any other name is asked for by name."
    )


class VersionInline(admin.TabularInline):
    """A model's versions, on its page."""

    model = ModelVersion
    fields = readonly_fields = ("number", "format", "aliases_shown", "created_at", "withdrawn_at")
    show_change_link = True
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: a version is registered."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: a version is immutable."""
        return False

    @admin.display(description="format")
    def format(self, version: ModelVersion) -> str:
        """The artifact's format."""
        return version.format

    @admin.display(description="answers as")
    def aliases_shown(self, version: ModelVersion) -> str:
        """The aliases that point at it."""
        return ", ".join(alias.name for alias in version.aliases.all())


@admin.register(RegisteredModel)
class RegisteredModelAdmin(admin.ModelAdmin):
    """Describe a model and say who may use it. Models are made by registering a version."""

    list_display = ("full_name", "description", "visibility", "champion", "created_at")
    list_filter = ("visibility", "owner")
    search_fields = ("owner", "name", "description")
    readonly_fields = ("owner", "name", "created_at")
    fields = ("owner", "name", "description", "card", "visibility", "members", "retention_days", "created_at")
    filter_horizontal = ("members",)
    inlines = (VersionInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RegisteredModel]:
        """Bring the aliases along."""
        return super().get_queryset(request).prefetch_related("aliases__version")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: a model comes with its first version."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: its predictions point at it."""
        return False

    def save_model(self, request: HttpRequest, obj: RegisteredModel, form: Any, change: bool) -> None:
        """Keep note of who changed how long predictions are kept."""
        if "retention_days" in form.changed_data:
            retention_set(model=obj, days=obj.retention_days, actor=_user(request))
        super().save_model(request, obj, form, change)

    @admin.display(description="answers by default")
    def champion(self, model: RegisteredModel) -> str:
        """The version under the default alias."""
        return next((f"v{alias.version.number}" for alias in model.aliases.all() if alias.name == CHAMPION), "none")


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Versions: what each takes, and how it did; promoted and withdrawn here."""

    list_display = ("__str__", "format", "aliases_shown", "registered_by", "created_at", "withdrawn_at")
    list_filter = ("model", ("withdrawn_at", admin.EmptyFieldListFilter))
    list_select_related = ("model", "registered_by")
    search_fields = ("model__owner", "model__name", "sha256")
    ordering = ("-created_at",)
    actions = ("promote", "withdraw")
    readonly_fields = ("takes", "metrics_shown", "libraries", "artifact", "limits", "predictions_link")
    fieldsets = (
        (None, {"fields": ("model", "number", "predictions_link", "limits", "created_at", "withdrawn_at")}),
        ("What it takes", {"fields": ("takes",)}),
        ("How it did when it was registered", {"fields": ("metrics_shown",)}),
        (
            "Where it is from",
            {"fields": ("registered_by", "vouched_by", "sha256", "artifact", "sample_sha256", "libraries")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        """Bring the aliases along."""
        return super().get_queryset(request).prefetch_related("aliases")

    def has_promote_permission(self, request: HttpRequest) -> bool:
        """True for who may move aliases."""
        return request.user.has_perm("predictions.change_alias")

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        """True for who may take versions out of service."""
        return request.user.has_perm("predictions.change_modelversion")

    @admin.action(description="Promote: have it answer under an alias", permissions=["promote"])
    def promote(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> HttpResponse | None:
        """Point an alias at one version of a model."""
        chosen = list(queryset.select_related("model"))
        if max(Counter(version.model_id for version in chosen).values(), default=0) > 1:
            messages.error(request, "Choose one version of a model: an alias points at one.")
            return None
        form = PromoteForm(request.POST if is_confirmed(request) else None)
        if not form.is_valid():
            question = "Have this answer?"
            warning = "From now on, whoever asks for the model under this alias is answered by:"
            return ask_first(request, admin=self, chosen=chosen, question=question, warning=warning, form=form)
        alias, user = form.cleaned_data["alias"], _user(request)
        for version in chosen:
            try:
                moved = alias_move(version=version, name=alias, actor=user)
            except Refusal as refusal:
                messages.error(request, str(refusal))
                continue
            messages.success(request, f"{version} {'now answers' if moved else 'answered already'} as {alias}.")
        return None

    @admin.action(description="Withdraw: have it answer no more", permissions=["withdraw"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> HttpResponse | None:
        """Take versions out of service, for good."""
        chosen = list(queryset.select_related("model"))
        if not is_confirmed(request):
            warning = "They answer nobody any more, and what waits for them fails. This cannot be undone."
            return ask_first(request, admin=self, chosen=chosen, question="Withdraw these?", warning=warning)
        for version in chosen:
            done = version_withdraw(version=version, actor=_user(request))
            messages.success(request, f"{version} {'is' if done else 'was already'} withdrawn.")
        return None

    @admin.display(description="format")
    def format(self, version: ModelVersion) -> str:
        """The artifact's format."""
        return version.format

    @admin.display(description="answers as")
    def aliases_shown(self, version: ModelVersion) -> str:
        """The aliases that point at it."""
        return ", ".join(alias.name for alias in version.aliases.all())

    @admin.display(description="fields")
    def takes(self, version: ModelVersion) -> SafeString:
        """The schema's inputs."""
        return rendering.schema_table(version.schema)

    @admin.display(description="metrics")
    def metrics_shown(self, version: ModelVersion) -> SafeString:
        """The figures that came with it."""
        return rendering.json_table(version.metrics)

    @admin.display(description="made with")
    def libraries(self, version: ModelVersion) -> SafeString:
        """The library versions it was registered under."""
        return rendering.json_table(version.parsed.libraries)

    @admin.display(description="file")
    def artifact(self, version: ModelVersion) -> str:
        """The stored model file."""
        return f"{version.format}, {version.parsed.size_bytes:,} bytes, sha256 {version.parsed.artifact}"

    @admin.display(description="may take")
    def limits(self, version: ModelVersion) -> str:
        """Its own limits of time and memory."""
        return ", ".join(version.parsed.limits) or "what the server allows"

    @admin.display(description="predictions")
    def predictions_link(self, version: ModelVersion) -> SafeString:
        """A way to what its model answered."""
        address = reverse("admin:predictions_prediction_changelist")
        return format_html('<a href="{}?model={}">of this model</a>', address, version.model_id)


@admin.register(Alias)
class AliasAdmin(ReadOnlyAdmin):
    """The names under which versions answer. They are moved by promoting a version, and rolled back here."""

    list_display = ("__str__", "version", "moved_at")
    list_filter = ("name",)
    list_select_related = ("model", "version__model")
    search_fields = ("model__owner", "model__name", "name")
    ordering = ("model__owner", "model__name", "name")
    fields = ("model", "name", "version", "moved_at")
    actions = ("roll_back",)

    def has_move_permission(self, request: HttpRequest) -> bool:
        """True for who may move aliases."""
        return request.user.has_perm("predictions.change_alias")

    @admin.action(description="Roll back to the version before", permissions=["move"])
    def roll_back(self, request: HttpRequest, queryset: QuerySet[Alias]) -> HttpResponse | None:
        """Take back the last move of aliases."""
        chosen = list(queryset.select_related("model", "version__model"))
        if not is_confirmed(request):
            steps = "; ".join(
                f"{alias}: {alias.version} → {version_before(alias) or 'nothing before'}" for alias in chosen
            )
            return ask_first(request, admin=self, chosen=chosen, question="Roll back?", warning=steps)
        for alias in chosen:
            try:
                version = alias_rollback(alias=alias, actor=_user(request))
            except Refusal as refusal:
                messages.error(request, str(refusal))
                continue
            messages.success(request, f"{version} answers again as {alias.name}.")
        return None


def _user(request: HttpRequest) -> Any:
    return request.user
