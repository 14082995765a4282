"""Ask a database, documents and memories in one conversation, on a local model."""
