"""Every address, by door."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
handler500 = "config.middleware.server_error"

urlpatterns = [
    path("", include("predictions.api.urls")),
    path("", include("predictions.web.urls")),
    path("", include("accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]
