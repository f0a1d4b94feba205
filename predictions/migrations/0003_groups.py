"""Two groups of staff: publishers look after models, reviewers look after what they said."""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUPS = {
    "publishers": [
        "view_registeredmodel",
        "change_registeredmodel",
        "view_modelversion",
        "change_modelversion",
        "view_alias",
        "add_alias",
        "change_alias",
        "view_prediction",
    ],
    "reviewers": [
        "view_registeredmodel",
        "view_modelversion",
        "view_alias",
        "view_prediction",
        "view_truth",
        "add_truth",
        "change_truth",
        "view_note",
        "add_note",
    ],
}


def make(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    config = apps.get_app_config("predictions")
    config.models_module = True  # permissions are made after all migrations otherwise
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth.Group"), apps.get_model("auth.Permission")
    for name, codenames in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(
            *Permission.objects.filter(content_type__app_label="predictions", codename__in=codenames)
        )


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0002_ledger"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
