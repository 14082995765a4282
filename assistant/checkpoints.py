"""Checkpoints on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres import PostgresSaver

from stores.retry import twice


class ServerSaver(PostgresSaver):
    """LangGraph's own, over a pool. What it does may happen twice, so a server that went away meanwhile is asked once more."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        # Its lock is for a single connection; from a pool each call has one of its own, and none waits for another.
        self.lock = nullcontext()  # type: ignore[assignment]

    @twice
    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As LangGraph's."""
        return super().get_tuple(config)

    @twice
    def put_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        """As LangGraph's."""
        super().put_writes(config, writes, task_id, task_path)

    @twice
    def delete_thread(self, thread_id: str) -> None:
        """As LangGraph's."""
        super().delete_thread(thread_id)

    @twice
    def put(self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions) -> RunnableConfig:
        """As LangGraph's; texts without NUL, which PostgreSQL's JSON cannot hold."""
        values = {name: value.replace("\0", "") if isinstance(value, str) else value for name, value in checkpoint["channel_values"].items()}
        return super().put(config, {**checkpoint, "channel_values": values}, metadata, new_versions)
