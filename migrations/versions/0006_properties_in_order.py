"""Values of a property in the order of their profiles: for lists that are sorted by it."""

from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

INDEXES = {'properties_by_number': 'number_value', 'properties_by_text': 'text_value'}


def upgrade() -> None:
    with op.batch_alter_table('properties', schema=None) as batch_op:
        for name, column in INDEXES.items():
            batch_op.drop_index(name)
            batch_op.create_index(name, ['rule_guid', column, 'profile_guid'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('properties', schema=None) as batch_op:
        for name, column in INDEXES.items():
            batch_op.drop_index(name)
            batch_op.create_index(name, ['rule_guid', column], unique=False)
