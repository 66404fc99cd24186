"""Foreign databases: what sql apps lead to. Others' data, read only, within limits (05-properties, "sql apps, safely")."""
