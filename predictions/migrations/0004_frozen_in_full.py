"""Of an ended prediction only the data may be erased; who finished it, when, and all else stays."""

from django.db import migrations

FORWARD = """
    create or replace function prediction_is_frozen() returns trigger language plpgsql as $$
    declare
        erasable constant text[] := '{input,warnings,output,error,traceback,data_removed}';
    begin
        if new.data_removed and new.input::text = '{}' and (new.warnings::text, new.output::text, new.error,
                new.traceback) is not distinct from (null::text, null::text, null::text, null::text)
            and to_jsonb(new) - erasable = to_jsonb(old) - erasable then
            return new;
        end if;
        raise exception 'prediction % has ended as %, and never changes', old.id, old.status
            using errcode = 'restrict_violation';
    end $$;
"""


class Migration(migrations.Migration):
    dependencies = [("predictions", "0003_groups")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
