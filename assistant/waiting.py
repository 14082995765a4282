"""Running the graph for a turn, and what is kept of one that asks back: it waits for the reply, at any replica, over any restart.

A turn that ends has nothing to go on from, and one that is broken off is asked again: of these no checkpoint is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.types import Command

from assistant.places import Place, thread
from graphs.state import State
from graphs.turn import Turn
from stores.values import Message

if TYPE_CHECKING:
    from graphs.graph import Graph


class Held(BaseCheckpointSaver[str]):
    """What was kept before one run of the graph (`saved`), and what the run would keep: handed to the lasting saver by `keep`, or not at all."""

    def __init__(self, lasting: BaseCheckpointSaver[str], config: RunnableConfig) -> None:
        super().__init__(serde=lasting.serde)
        self._lasting = lasting
        self._puts: list[Callable[[], object]] = []
        self.saved = lasting.get_tuple(config)

    def keep(self) -> None:
        """Write it."""
        for put in self._puts:
            put()

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As it was before the run."""
        return self.saved

    def put(self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions) -> RunnableConfig:
        """Hold a checkpoint."""
        self._puts.append(partial(self._lasting.put, config, checkpoint, metadata, new_versions))
        return {"configurable": {**config["configurable"], "checkpoint_id": checkpoint["id"]}}

    def put_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        """Hold what belongs to a checkpoint."""
        self._puts.append(partial(self._lasting.put_writes, config, writes, task_id, task_path))

    def get_next_version(self, current: str | None, channel: None) -> str:
        """As the lasting saver counts."""
        return self._lasting.get_next_version(current, channel)


def run(question: str, turn: Turn, place: Place) -> State:
    """The state in which the turn ends or asks back. One that waits goes on with the question as its reply."""
    config: RunnableConfig = {"configurable": {"thread_id": thread(turn.user, turn.conversation)}}

    def go(given: Any, turn: Turn, held: Held) -> State:
        try:
            state = _graph(place, held).invoke(given, config, context=turn, durability="exit")
        except BaseException:
            if held.saved:  # it does not wait any more
                held.keep()
            raise
        if "__interrupt__" in state:
            held.keep()
        elif held.saved:
            place.end_turn(turn.user, turn.conversation)
        return cast("State", state)

    held = Held(place.saver, config)
    if held.saved and _graph(place, held).get_state(config).interrupts:
        return go(Command(resume=question), turn, held)
    before = _asked_back(question, turn)
    if before is None:
        return go({"question": question}, turn, held)
    # The reply is given anew, or in a branch: the turn that waited for it is brought back to where it asked.
    again = go({"question": before.text}, replace(turn, question_id=before.id), held)
    return go(Command(resume=question), turn, Held(place.saver, config)) if "__interrupt__" in again else again


def _graph(place: Place, held: Held) -> Graph:
    return place.graph.copy({"checkpointer": held})


def _asked_back(question: str, turn: Turn) -> Message | None:
    """The question before, where the answer to it was to ask back, and this is one of the choices it gave.

    Not where something was to be forgotten: asked anew, that would forget what is left.
    """
    before = turn.recent[-2:]
    if len(before) < 2 or not before[1].answer:
        return None
    answer = json.loads(before[1].answer)
    return before[0] if question in answer.get("choices", ()) and answer.get("route") != "memory" else None
