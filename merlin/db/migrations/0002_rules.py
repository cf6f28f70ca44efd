"""What the tables must always hold, and indexes: written by hand, since Tortoise drops partial ones and CHECKs."""

from tortoise import migrations
from tortoise.migrations import operations as ops

_DEFAULT_TIMES = {
    "installation": ("created_at",),
    "project": ("created_at", "updated_at"),
    "model": ("created_at", "updated_at"),
    "version": ("created_at", "updated_at"),
    "alias": ("set_at",),
    "secret": ("updated_at",),
    "api_token": ("created_at",),
    "environment": ("created_at", "updated_at"),
    "version_endpoint": ("created_at", "updated_at"),
    "revision": ("created_at",),
    "model_endpoint": ("created_at", "updated_at"),
    "audit": ("at",),
    "outbox": ("created_at",),
    "idempotency_key": ("created_at",),
}

_TIMES = [
    f'ALTER TABLE "{table}" ALTER COLUMN "{column}" SET DEFAULT now()'
    for table, columns in _DEFAULT_TIMES.items()
    for column in columns
]

_RULES = [
    # Events are written under a lock: the clock then runs as their numbers do, and now() (the begin) might not.
    "ALTER TABLE event ALTER COLUMN at SET DEFAULT clock_timestamp()",
    "CREATE UNIQUE INDEX installation_is_one ON installation ((true))",
    "CREATE UNIQUE INDEX environment_one_default ON environment ((true)) WHERE is_default",
    "ALTER TABLE environment ADD CONSTRAINT environment_default_is_attached CHECK (NOT (is_default AND detached))",
    "ALTER TABLE model ADD CONSTRAINT model_next_version CHECK (next_version > 0)",
    "CREATE UNIQUE INDEX version_one_per_run ON version (mlflow_run_id) WHERE mlflow_run_id IS NOT NULL",
    "ALTER TABLE version ADD CONSTRAINT version_number CHECK (number > 0)",
    "ALTER TABLE version ADD CONSTRAINT version_finished CHECK "
    "(state <> 'finished' OR (artifact_uri IS NOT NULL AND finished_at IS NOT NULL))",
    "ALTER TABLE version_endpoint ADD CONSTRAINT version_endpoint_generation CHECK "
    "(generation > 0 AND wake >= 0 AND observed_generation BETWEEN 0 AND generation)",
    "ALTER TABLE version_endpoint ADD CONSTRAINT version_endpoint_revisions CHECK "
    "(next_revision > 0 AND (target_revision IS NULL OR target_revision BETWEEN 1 AND next_revision - 1) "
    "AND (active_revision IS NULL OR active_revision BETWEEN 1 AND next_revision - 1))",
    "ALTER TABLE version_endpoint ADD CONSTRAINT version_endpoint_running CHECK "
    "(lifecycle <> 'running' OR active_revision IS NOT NULL)",
    "ALTER TABLE revision ADD CONSTRAINT revision_number CHECK (number > 0 AND workload_revision BETWEEN 1 AND number)",
    "ALTER TABLE revision ADD CONSTRAINT revision_rollback CHECK "
    "((cause = 'rollback') = (rollback_to IS NOT NULL) AND coalesce(rollback_to, 0) < number)",
    "CREATE UNIQUE INDEX revision_one_on_its_way ON revision (endpoint_id) "
    "WHERE status IN ('queued', 'starting', 'ready')",
    "CREATE UNIQUE INDEX revision_one_active ON revision (endpoint_id) WHERE status = 'active'",
    """
    CREATE FUNCTION merlin_rule_is_sound(rule jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
      SELECT count(*) > 0 AND sum((d ->> 'weight')::int) = 100 AND bool_and((d ->> 'weight')::int BETWEEN 0 AND 100)
        AND count(DISTINCT d ->> 'version_endpoint_id') = count(*)
      FROM jsonb_array_elements(rule -> 'destinations') AS d
    $$
    """,
    "ALTER TABLE model_endpoint ADD CONSTRAINT model_endpoint_rules CHECK "
    "((desired_rule IS NULL OR merlin_rule_is_sound(desired_rule)) "
    "AND (observed_rule IS NULL OR merlin_rule_is_sound(observed_rule)))",
    "ALTER TABLE model_endpoint ADD CONSTRAINT model_endpoint_serving CHECK "
    "((status = 'serving') <= (observed_rule IS NOT NULL) AND (status <> 'stopped' OR observed_rule IS NULL))",
    "ALTER TABLE model_endpoint ADD CONSTRAINT model_endpoint_generation CHECK "
    "(generation > 0 AND wake >= 0 AND observed_generation BETWEEN 0 AND generation)",
    "ALTER TABLE outbox ADD CONSTRAINT outbox_attempts CHECK (attempts >= 0)",
]

_INDEXES = [
    "CREATE INDEX event_of_project ON event (project_id, id)",
    "CREATE INDEX event_of_model ON event (model_id, id)",
    "CREATE INDEX event_of_subject ON event (subject_id, id)",
    "CREATE INDEX membership_of_subject ON membership (subject)",
    "CREATE INDEX version_labels ON version USING gin (labels jsonb_path_ops)",
    "CREATE INDEX alias_of_version ON alias (version_id)",
    "CREATE INDEX version_endpoint_of_environment ON version_endpoint (environment_id)",
    "CREATE INDEX model_endpoint_of_environment ON model_endpoint (environment_id)",
    "CREATE INDEX version_endpoint_unsettled ON version_endpoint (id) "
    "WHERE progressing OR observed_generation < generation",
    "CREATE INDEX model_endpoint_unsettled ON model_endpoint (id) "
    "WHERE progressing OR observed_generation < generation",
    "CREATE INDEX revision_live ON revision (endpoint_id) "
    "WHERE status IN ('queued', 'starting', 'ready', 'active', 'draining')",
]


class Migration(migrations.Migration):
    """Defaults of times, partial unique indexes, CHECKs, indexes for reading."""

    dependencies = [("merlin", "0001_initial")]  # noqa: RUF012 (Tortoise reads class attributes)

    operations = [  # noqa: RUF012
        ops.RunSQL(_TIMES, reverse_sql=ops.RunSQL.noop),
        ops.RunSQL(_RULES, reverse_sql=ops.RunSQL.noop),
        ops.RunSQL(_INDEXES, reverse_sql=ops.RunSQL.noop),
    ]
