"""Switch off what the libraries would send, before any of them is imported."""

from __future__ import annotations

import os

_OFF = {
    "ANONYMIZED_TELEMETRY": "False",  # Chroma
    "CHROMA_TELEMETRY": "False",
    "CHROMA_OTEL_COLLECTION_ENDPOINT": "",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",  # a public tunnel to the page
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LANGSMITH_TRACING_V2": "false",
    "LANGCHAIN_TRACING": "false",
    "LANGSMITH_OTEL_ENABLED": "false",
    "LANGCHAIN_OTEL_ENABLED": "false",
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime 1.29 and later report to their maker, on Linux and macOS too
    "OTEL_SDK_DISABLED": "true",
}


def silence() -> None:
    """Set the switches, over what the environment says: what is traced there would leave the machine."""
    os.environ.update(_OFF)
