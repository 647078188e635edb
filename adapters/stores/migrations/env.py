"""Runs migrations on the connection that `adapters.stores.sql.migrate` opened.

If that is in a transaction, within it; else each migration is a transaction of its own.
"""

from __future__ import annotations

from alembic import context

given = context.config.attributes
context.configure(
    connection=given["connection"],
    transactional_ddl=True,
    transaction_per_migration=True,
    on_version_apply=given["done"],
)
with context.begin_transaction():
    context.run_migrations()
