"""Run by Alembic: brings a database to the newest version on the connection that it is given."""

from alembic import context

from backslide.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table="backslide_version")
with context.begin_transaction():
    context.run_migrations()
