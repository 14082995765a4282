"""The one tree of errors.

AssistantError                 whatever this project raises on purpose
├── DatabaseUnavailable        the user's database cannot be opened or went away
├── QueryRejected              the guard or the database refused a query
│   └── QueryFailed            the database could not run it (unknown column, type error)
├── QueryTimeout               a query took longer than its limit
├── DocumentUnreadable         a file cannot be read, with the reason
├── NotFound                   an id that is not there (or not this user's)
├── StoreUnavailable           the index or the history cannot be opened or written (full disk, in use)
│   └── IndexUnreachable       Chroma's server does not answer; what needs no index goes on
├── ModelUnavailable           no model file, or it cannot be loaded, or its server is gone     (assistant.errors)
│   ├── ModelBusy              the queue for the model is full                                  (assistant.errors)
│   └── DownloadCancelled      the user stopped a download; what came is kept                   (assistant.models.files)
├── ModelFileCorrupt           a model file that is not what its SHA-256 says                   (assistant.errors)
├── QuestionTooLong            more than the context holds                                      (graphs.errors)
├── TurnCancelled              the reader went away                                             (graphs.errors)
└── SettingsError              a setting that is unknown or out of range                        (assistant.errors)

Every message says what happened, to what, and what to do.
"""


class AssistantError(Exception):
    """The root of every error that this project raises on purpose."""


class DatabaseUnavailable(AssistantError):
    """The user's database cannot be opened, or went away."""


class QueryRejected(AssistantError):
    """A query was refused: it is not one read-only statement over what this user may see."""


class QueryFailed(QueryRejected):
    """A query that is allowed could not be run by the database; the message is the database's own."""


class QueryTimeout(AssistantError):
    """A query took longer than its time limit and was stopped."""


class DocumentUnreadable(AssistantError):
    """A file could not be read; the message gives the reason."""


class NotFound(AssistantError):
    """There is nothing with that id, or it belongs to somebody else."""


class StoreUnavailable(AssistantError):
    """The index or the history cannot be opened or written."""


class IndexUnreachable(StoreUnavailable):
    """The server that holds the index does not answer; it is tried again with the next question."""


def sqlite_advice(name: str) -> str:
    """What to do about a SQLite error, by its name (`SQLITE_FULL`)."""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "The file is damaged: put a copy back in its place, or move it away to begin a new history."
    if name.startswith("SQLITE_FULL"):
        return "The disk is full: make room; nothing that was saved before is lost."
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "Another program holds it: try again, or close that program."
    return "Check that its folder is there and may be written."
