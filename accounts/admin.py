"""The review door to accounts: people, their tokens (never a secret), and the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.models import ApiToken, AuditEntry, User
from accounts.services.token_revoke import token_revoke
from config.admin import ReadOnlyAdmin, ask_first, is_confirmed

if TYPE_CHECKING:
    BaseUserAdmin = DjangoUserAdmin[User]
else:
    BaseUserAdmin = DjangoUserAdmin

# Only a superuser decides who may do what; anyone else could give themselves everything.
POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class UserAdmin(BaseUserAdmin):
    """People. Someone who leaves is made inactive: their predictions stay theirs."""

    list_display = ("username", "email", "is_staff", "is_active", "last_login", "date_joined")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: predictions, tokens and the audit log point at people."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep powers out of reach of everyone but superusers."""
        return [*super().get_readonly_fields(request, obj), *(() if _is_superuser(request) else POWERS)]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As granted; but the accounts of other staff, and so their passwords, are for superusers."""
        has_powers = obj is not None and (obj.is_staff or obj.is_superuser)
        if has_powers and obj != request.user and not _is_superuser(request):
            return False
        return super().has_change_permission(request, obj)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens: whose, for what, used when. Secrets are not kept, and digests are not shown."""

    list_display = ("name", "hint", "user", "scopes", "usable", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "user__username", "last_four")
    ordering = ("-created_at",)
    fields = ("name", "hint", "user", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """True for who may stop other people's tokens."""
        return bool(request.user.has_perm("accounts.change_apitoken"))

    @admin.display(boolean=True, description="works")
    def usable(self, token: ApiToken) -> bool:
        """True while neither revoked nor expired."""
        return token.is_usable

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> HttpResponse | None:
        """Stop tokens from working."""
        tokens = list(queryset.select_related("user"))
        if not is_confirmed(request):
            warning = "Programs that use them are refused at once. This cannot be undone."
            return ask_first(request, admin=self, chosen=tokens, question="Revoke these?", warning=warning)
        actor = request.user if isinstance(request.user, User) else None
        for token in tokens:
            done = token_revoke(token=token, actor=actor)
            messages.success(request, f"{token} of {token.user} {'is' if done else 'was already'} revoked.")
        return None


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what that others must be able to look up."""

    list_display = ("at", "actor", "action", "target", "detail")
    list_select_related = ("actor",)
    list_filter = ("action",)
    date_hierarchy = "at"
    search_fields = ("target", "actor__username")
    ordering = ("-at",)
    show_full_result_count = False


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
