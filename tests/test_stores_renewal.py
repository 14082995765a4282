"""What a changed file, a changed setting or another embedding model costs, and that the old index answers until the new one is whole."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stores.chroma_folder import open_client
from stores.examples import Examples
from stores.memories import Memories
from stores.values import Embed
from tests import hashed, prose
from tests.test_stores_documents import Index


class Counting:
    """The hashing embedder, which remembers what it was given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Any:
        self.texts += texts
        return hashed.embed(texts)


def other(texts: Sequence[str]) -> Any:
    """Another model: more dimensions, and nothing near what the hashing one gives."""
    vectors = np.flip(hashed.embed(texts), axis=1)
    return np.concatenate([vectors, np.zeros((len(texts), 32), np.float32)], axis=1)


def none_is_left(known: str) -> Embed | None:
    return None


def hashed_is_left(known: str) -> Embed | None:
    return hashed.embed if known == "hashed" else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return prose.write(tmp_path / "files", 20)


def vectors(index: Index) -> dict[str, int]:
    """Chunk to its vector's dimensions."""
    return {key: len(vector) // 4 for key, vector in index.rows("SELECT id, vector FROM chunks")}


def test_a_changed_file_embeds_only_its_changed_chunks(tmp_path: Path, folder: Path) -> None:
    embed = Counting()
    index = Index(tmp_path / "home", embed)
    index.documents.add(folder)
    every, path = len(embed.texts), folder / "00" / "note 00000.md"
    assert every == index.documents.count()
    embed.texts.clear()
    path.write_text(path.read_text("utf-8") + "\n## Opening hours\n\n" + "The workshop opens at nine on every day but Sunday. " * 8, "utf-8")
    assert index.documents.sync().changed == ("00/note 00000.md",)
    assert len(embed.texts) == 1
    assert "Opening hours" in embed.texts[0]
    (folder / "00" / "copy.md").write_bytes(path.read_bytes())
    assert index.documents.sync().new == ("00/copy.md",)
    assert len(embed.texts) == 1
    index.check_whole()
    index.documents.add(path, user="7")  # what others have is not looked at: not even the time it takes tells
    assert len(embed.texts) > 2
    index.close()


def test_other_passages_are_asked_for_and_the_old_ones_answer(tmp_path: Path, folder: Path) -> None:
    index = Index(tmp_path / "home")
    index.documents.add(folder)
    before = index.documents.count()
    index.close()
    embed = Counting()
    index = Index(tmp_path / "home", embed, chunk_tokens=80)
    outdated = index.documents.outdated()
    assert outdated
    assert (outdated.passages, outdated.documents) == (0, 20)
    assert "cut otherwise" in str(outdated)
    assert "20 documents" in str(outdated)
    assert index.documents.search("module attribute", k=3)
    assert index.documents.count() == before
    assert index.documents.renew()
    assert index.documents.outdated() is None
    assert index.documents.count() > before
    index.check_whole()
    index.close()


@pytest.mark.parametrize("earlier", [hashed_is_left, none_is_left])
def test_another_model_is_noticed_and_takes_over_once_its_vectors_are_whole(
    tmp_path: Path, folder: Path, earlier: Callable[[str], Embed | None]
) -> None:
    home = tmp_path / "home"
    index = Index(home, model="hashed 1234")
    index.documents.add(folder)
    index.close()
    index = Index(home, model="hashed")  # as another file under the same name
    assert index.documents.outdated()
    assert index.documents.renew()
    everything = vectors(index)
    expected = [passage.id for passage in index.documents.search("module attribute", k=5)]
    index.close()

    index = Index(home, other, model="other", earlier=earlier)
    outdated = index.documents.outdated()
    assert outdated
    assert (outdated.model, outdated.passages) == ("hashed", len(everything))
    assert "no longer hashed" in str(outdated)
    found = [passage.id for passage in index.documents.search("module attribute", k=5)]
    assert found == expected if earlier is hashed_is_left else found
    seen: list[int] = []

    def interrupt() -> bool:  # searched in the middle, and then stopped: what was made is kept
        seen.append(len(index.documents.search("module attribute", k=5)))
        return len(seen) > 2

    assert not index.documents.renew(cancelled=interrupt)
    assert seen[0] > 0
    assert vectors(index) == everything
    index.close()

    index = Index(home, other, model="other", earlier=earlier)
    waiting = index.documents.outdated()
    assert waiting
    assert 0 < waiting.passages < outdated.passages
    (folder / "new.txt").write_text("The workshop opens at nine.", "utf-8")
    index.documents.sync()
    assert index.documents.renew()
    assert index.documents.outdated() is None
    assert set(vectors(index).values()) == {hashed.DIMENSIONS + 32}
    assert index.documents.search("workshop opens", mode="dense", k=1)[0].document == "new.txt"
    index.check_whole()
    index.close()
    index = Index(home, other, model="other")
    assert index.documents.outdated() is None
    index.check_whole()
    index.close()


def test_searches_go_on_while_the_models_change_places(tmp_path: Path, folder: Path) -> None:
    home = tmp_path / "home"
    index = Index(home, model="hashed")
    index.documents.add(folder)
    (folder / "hours.txt").write_text("The workshop opens at nine.", "utf-8")
    index.documents.sync()
    index.close()
    index = Index(home, other, model="other", earlier=hashed_is_left)
    done, wrong, searches = threading.Event(), [], 0

    def search() -> None:
        nonlocal searches
        while not done.is_set():
            found = index.documents.search("the workshop opens at nine", mode="dense", k=1)
            searches += 1
            if not found or found[0].document != "hours.txt":
                wrong.append(found)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert index.documents.renew()
    done.set()
    for thread in threads:
        thread.join()
    assert searches > 3
    assert wrong == []
    index.close()


def test_memories_and_examples_follow_another_model_at_once(tmp_path: Path) -> None:
    client = open_client(tmp_path / "chroma")
    Memories(client, hashed.embed, model="hashed").add("My favourite colour is green.", user="7")
    Examples(client, hashed.embed, model="hashed").add("How many bikes?", "SELECT 1", fingerprint="f", user="7")
    client.close()
    for _ in range(2):
        client = open_client(tmp_path / "chroma")
        memories, examples = Memories(client, other, model="other"), Examples(client, other, model="other")
        assert [memory.text for memory in memories.search("favourite colour", user="7")] == ["My favourite colour is green."]
        assert [example.sql for example in examples.search("How many bikes?", fingerprint="f", user="7")] == ["SELECT 1"]
        assert {collection.name for collection in client.list_collections()} == {"memories", "examples"}
        client.close()


def test_a_succession_that_a_kill_cut_short_is_finished(tmp_path: Path) -> None:
    client = open_client(tmp_path / "chroma")
    memories = Memories(client, hashed.embed, model="hashed")
    memories.add("My favourite colour is green.", user="7")
    collection = client.get_collection("memories", embedding_function=None)
    collection.modify(name="memories-next")  # whole, and its predecessor is gone already
    client.close()
    client = open_client(tmp_path / "chroma")
    memories = Memories(client, hashed.embed, model="hashed")
    assert [memory.text for memory in memories.all(user="7")] == ["My favourite colour is green."]
    client.create_collection("memories-next", embedding_function=None)  # half made
    memories = Memories(client, hashed.embed, model="hashed")
    assert len(memories.all(user="7")) == 1
    assert [c.name for c in client.list_collections()] == ["memories"]
    client.close()


_WITH_FTS = """
    ALTER TABLE chunks DROP COLUMN words; DROP TABLE changes;
    CREATE VIRTUAL TABLE words USING fts5 (
        heading, text, content = 'chunks', content_rowid = 'number', tokenize = 'porter unicode61 remove_diacritics 2'
    );
    INSERT INTO words (words) VALUES ('rebuild');
    CREATE TRIGGER chunk_added AFTER INSERT ON chunks BEGIN SELECT 1; END;
    CREATE TRIGGER chunk_removed AFTER DELETE ON chunks BEGIN SELECT 1; END;
    PRAGMA user_version = 2;
"""
_BEFORE_RENEWAL = """
    DROP INDEX by_digest; DROP TABLE model; DROP TABLE renewed;
    ALTER TABLE chunks DROP COLUMN above; ALTER TABLE chunks DROP COLUMN digest;
    ALTER TABLE documents DROP COLUMN recipe; PRAGMA user_version = 1;
"""


@pytest.mark.parametrize("earlier", [_WITH_FTS, _WITH_FTS + _BEFORE_RENEWAL], ids=["second", "first"])
def test_an_index_of_an_earlier_format_is_brought_forward(tmp_path: Path, folder: Path, earlier: str) -> None:
    home = tmp_path / "home"
    index = Index(home, model="hashed")
    index.documents.add(folder)
    count = index.documents.count()
    index.close()
    db = sqlite3.connect(home / "documents.sqlite")
    db.executescript(earlier)
    db.close()
    embed = Counting()
    index = Index(home, embed, model="hashed")
    assert index.documents.outdated() is None
    assert len(index.documents.sync().unchanged) == 20
    assert embed.texts == []
    assert index.documents.count() == count
    index.check_whole()
    index.close()
