"""Which tokens came from MERLIN_ADMIN_TOKEN_FILE, and which were issued."""

# ruff: noqa: RUF012 (Tortoise reads class attributes)

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """The mark. Until now no other administrator's token could come into being."""

    dependencies = [("merlin", "0003_dry_runs")]

    operations = [
        ops.AddField(
            model_name="ApiToken", name="from_file", field=fields.BooleanField(default=False, db_default=False)
        ),
        ops.RunSQL(["UPDATE api_token SET from_file = true WHERE scope = 'admin'"], reverse_sql=ops.RunSQL.noop),
    ]
