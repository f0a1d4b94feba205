"""What Django cannot say of the two tables: storage, the queue's order, and that an ended prediction never changes."""

from django.db import migrations

FORWARD = """
    alter table prediction set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
    alter table job set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
    alter table job alter column seq add generated always as identity;

    create function prediction_is_frozen() returns trigger language plpgsql as $$
    begin
        -- The data of an ended prediction may be erased; nothing else about it changes.
        if new.data_removed and (new.id, new.user_id, new.version_id, new.door, new.call_id, new.status, new.attempts,
                new.created_at, new.completed_at) is not distinct from (old.id, old.user_id, old.version_id, old.door,
                old.call_id, old.status, old.attempts, old.created_at, old.completed_at)
            and new.reason is not distinct from old.reason and new.output is null and new.error is null
            and new.traceback is null and new.input::text = '{}' then
            return new;
        end if;
        raise exception 'prediction % has ended as %, and never changes', old.id, old.status
            using errcode = 'restrict_violation';
    end $$;
    create trigger prediction_is_frozen before update on prediction
        for each row when (old.status <> 'starting') execute function prediction_is_frozen();

    create function prediction_is_open() returns trigger language plpgsql as $$
    begin
        raise exception 'prediction % has not ended, and cannot be deleted', old.id
            using errcode = 'restrict_violation';
    end $$;
    create trigger prediction_is_open before delete on prediction
        for each row when (old.status = 'starting') execute function prediction_is_open();

    create function version_is_immutable() returns trigger language plpgsql as $$
    begin
        raise exception 'version % is immutable: register another one', old.sha256
            using errcode = 'restrict_violation';
    end $$;
    create trigger version_is_immutable before update on predictions_modelversion
        for each row when ((old.model_id, old.number, old.sha256, old.manifest::text)
            is distinct from (new.model_id, new.number, new.sha256, new.manifest::text))
        execute function version_is_immutable();
"""

BACKWARD = """
    drop trigger version_is_immutable on predictions_modelversion;
    drop trigger prediction_is_open on prediction;
    drop trigger prediction_is_frozen on prediction;
    drop function version_is_immutable, prediction_is_open, prediction_is_frozen;
    alter table job alter column seq drop identity;
"""


class Migration(migrations.Migration):
    dependencies = [("predictions", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
