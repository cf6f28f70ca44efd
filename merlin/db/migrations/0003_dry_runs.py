"""Dry runs of deployments, which workers answer."""

# ruff: noqa: RUF012 (Tortoise reads class attributes)

from uuid import uuid4

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.data import JSON_DUMPS
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """The table, and the default of its time."""

    dependencies = [("merlin", "0002_rules")]

    operations = [
        ops.CreateModel(
            name="DryRun",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True)),
                ("asked", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("answer", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("created_at", fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "dry_run",
                "app": "merlin",
                "pk_attr": "id",
                "table_description": "A deployment that was asked about, and what a worker says it would change.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(['ALTER TABLE "dry_run" ALTER COLUMN "created_at" SET DEFAULT now()'], reverse_sql=ops.RunSQL.noop),
    ]
