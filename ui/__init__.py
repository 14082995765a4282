"""The page and the command line."""

import assistant  # noqa: F401 - switches off what Gradio and the hub would send, before they are imported
