"""An ingestion as the page follows it: in a thread of its own, its states as HTML."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from assistant import AssistantError, IngestProgress, IngestReport
from ui import lists

Tell = Callable[[IngestProgress], None]


def followed(work: Callable[[Tell], IngestReport]) -> Iterator[str]:
    """What to show while `work` runs: progress, then the report or what went wrong. It goes on where nobody looks any more."""
    states: queue.SimpleQueue[IngestProgress | IngestReport | str | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            states.put(work(states.put))
        except (AssistantError, OSError) as error:
            states.put(str(error))
        finally:
            states.put(None)

    threading.Thread(target=run, name="ingest", daemon=True).start()
    while (state := states.get()) is not None:
        if isinstance(state, IngestProgress):
            yield lists.progress(state)
        else:
            yield lists.report(state) if isinstance(state, IngestReport) else lists.notice(state)
