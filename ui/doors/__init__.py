"""The doors for other programs: an OpenAI-compatible API, an MCP server and a REST API, each behind a key."""
