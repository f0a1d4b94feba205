"""The addresses of the tokens page. Signing in and out is allauth's."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/create", views.token_create_view, name="token-create"),
    path("tokens/<int:token_id>/revoke", views.token_revoke_view, name="token-revoke"),
    path("tokens/<int:token_id>/roll", views.token_roll_view, name="token-roll"),
]
