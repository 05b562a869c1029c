"""This package is the PostgreSQL store: narrow tables, a few connections with a purpose each, wake-ups by NOTIFY."""
