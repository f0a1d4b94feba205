from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People and tokens"
    default_auto_field = "django.db.models.AutoField"
