"""The data: which database is connected, its tables with their notes and rows, who may see what, and connecting another."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gradio as gr

from assistant import AssistantError, ColumnInfo, Schema, Settings, TableInfo
from ui import icons, lists, rows
from ui.chat import CONNECT
from ui.diagram import diagram
from ui.session import Session
from ui.views import Opened, View, administrator

if TYPE_CHECKING:
    from assistant import Assistant

KINDS = {"SQLite file": "sqlite", "PostgreSQL": "postgresql", "MySQL or MariaDB": "mysql", "URL": ""}
LISTED = 300
"""Tables in the list."""


def build(assistant: Assistant, session: gr.State) -> Opened:
    """The view's components and events."""
    shown = gr.HTML(elem_id="data", apply_default_css=False, js_on_load=CONNECT)
    detail = gr.HTML(elem_id="table", apply_default_css=False, js_on_load=CONNECT)
    view = DataView(assistant)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    with gr.Accordion("Connect another database", open=False, elem_id="connect-section", elem_classes=["section"]):
        kind = gr.Dropdown(list(KINDS), value="SQLite file", label="Kind", elem_id="connect-kind")
        with gr.Row(elem_id="connect-fields"):
            where = gr.Textbox(label="File", placeholder="/home/me/shop.db", elem_id="connect-where", max_lines=1)
            name = gr.Textbox(label="Database", visible=False, elem_id="connect-name", max_lines=1)
            user = gr.Textbox(label="User", visible=False, elem_id="connect-user", max_lines=1)
            password = gr.Textbox(label="Password", type="password", visible=False, elem_id="connect-password", max_lines=1)
        with gr.Row(elem_id="connect-buttons"):
            test = gr.Button("Test", elem_id="connect-test", size="sm", variant="secondary", scale=0)
            connect = gr.Button("Connect", elem_id="connect", size="sm", variant="primary", scale=0)
        said = gr.HTML(elem_id="connect-said", apply_default_css=False)
    fields = [kind, where, name, user, password]
    kind.change(_fields, [kind], fields[1:], **quiet)
    test.click(view.test, [*fields, session], [said], **quiet)
    connect.click(view.connect, [*fields, session], [said, shown, detail, password], **quiet)
    shown.act(view.act, [session], [shown, detail], **quiet)
    detail.act(view.act, [session], [shown, detail], **quiet)
    return Opened(lambda session: (view.overview(), ""), [shown, detail])


VIEW = View("data", "Data", build)


class DataView:
    """What the view's events do."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant

    def overview(self) -> str:
        """The connected database, its tables and the keys between them."""
        assistant = self._assistant
        try:
            if (database := assistant.state().database) is None:
                return '<p class="quiet empty">No database is connected. Connect one below; it is only ever read.</p>'
            return overview(database, assistant.data.schema(), assistant.settings)
        except AssistantError as error:
            return lists.notice(str(error))

    def act(self, session: Session, event: gr.EventData) -> tuple[Any, Any]:
        """Show a table, or keep a note on it: (overview, table)."""
        name, _, column = str(event.id).partition("\n")
        try:
            if event.act == "note":
                administrator(session)
                self._assistant.data.note(name, column or None, str(event.value))
            shown = table(self._assistant.data.schema().table(name), *self._rows(name, session))
        except AssistantError as error:
            return gr.skip(), lists.notice(str(error))
        return (self.overview() if event.act == "note" else gr.skip()), shown

    def _rows(self, name: str, session: Session) -> tuple[str]:
        """The first rows of a table, or why they cannot be shown."""
        try:
            return (rows.table(self._assistant.data.rows(name, user=session.user), f"data:{name}"),)
        except AssistantError as error:
            return (lists.notice(str(error)),)

    def test(self, kind: str, where: str, name: str, user: str, password: str, session: Session) -> str:
        """Whether the database that the form names can be read."""
        try:
            administrator(session)
            found = self._assistant.setup.test_connection(url(kind, where, name, user, password))
        except AssistantError as error:
            return lists.notice(str(error))
        return lists.good(f"It can be read: {found} {'table' if found == 1 else 'tables'}.")

    def connect(self, kind: str, where: str, name: str, user: str, password: str, session: Session) -> tuple[Any, ...]:
        """Use the database that the form names: (what came of it, overview, table, password)."""
        try:
            administrator(session)
            self._assistant.setup.connect(url(kind, where, name, user, password))
        except AssistantError as error:
            return lists.notice(str(error)), gr.skip(), gr.skip(), gr.skip()
        return lists.good("Connected, and kept in the settings."), self.overview(), "", ""


def url(kind: str, where: str, name: str, user: str, password: str) -> str:
    """The SQLAlchemy URL that the form's fields make."""
    where = where.strip()
    if not (driver := KINDS[kind]):
        return where
    if driver == "sqlite":
        return f"sqlite:///{where}"
    who = quote(user.strip(), safe="") + (f":{quote(password, safe='')}" if password else "")
    return f"{driver}://{who}{'@' if who else ''}{where}/{quote(name.strip(), safe='')}"


def overview(name: str, schema: Schema, settings: Settings) -> str:
    """The database's line, what limits the reader, the diagram and the list of tables."""
    limits = settings.database
    lines = [f"Rows of {escape(of)}: only where {escape(condition)}" for of, condition in limits.scopes.items()]
    lines += [f"Never shown: {escape(', '.join(limits.masked))}"] if limits.masked else []
    lines += [f"Only these tables: {escape(', '.join(limits.tables))}"] if limits.tables is not None else []
    lines += [f"Rows are limited by the server, for the user in {escape(limits.user_variable)}"] if limits.user_variable else []
    rules = "".join(f"<li>{line}</li>" for line in lines)
    scopes = f'<h3>Who may see what</h3><ul class="rules">{rules}</ul>' if rules else '<p class="quiet">No scopes are set: whoever asks may see all rows.</p>'
    buttons = "".join(_button(table) for table in schema.tables[:LISTED])
    more = f'<p class="quiet">and {len(schema.tables) - LISTED:,} more tables</p>' if len(schema.tables) > LISTED else ""
    count = f"{len(schema.tables)} {'table' if len(schema.tables) == 1 else 'tables'}"
    return (
        f'<p><strong>{escape(name)}</strong> <span class="quiet">{escape(schema.dialect)} · {count} · read only</span></p>{scopes}'
        f'{diagram(schema.tables)}<h3>Tables</h3><ul class="chips">{buttons}</ul>{more}'
    )


def _button(table: TableInfo) -> str:
    rows = f' <span class="quiet">{table.row_count:,}</span>' if table.row_count is not None else ""
    return f'<li><button type="button" class="chip" data-act="table" data-id="{escape(table.name)}">{escape(table.name)}{rows}</button></li>'


def table(info: TableInfo | None, rows: str) -> str:
    """One table: its note, its columns with types, keys, values and notes, and its first rows."""
    if info is None:
        return lists.notice("That table is not there any more.")
    columns = "".join(_column(info.name, column) for column in info.columns)
    return (
        f'<h3>{escape(info.name)}</h3><p class="note-line">{_note(info.name, None, info.comment)}</p>'
        '<div class="table-scroll columns"><table><thead><tr><th scope="col">Column</th><th scope="col">Type</th><th scope="col">Key</th>'
        f'<th scope="col">Values</th><th scope="col">Note</th></tr></thead><tbody>{columns}</tbody></table></div>{rows}'
    )


def _column(of: str, column: ColumnInfo) -> str:
    key = "primary key" if column.primary_key else ""
    if column.references:
        key = f"{key + ', ' if key else ''}→ {column.references}"
    return (
        f'<tr><td>{escape(column.name)}</td><td>{escape(column.type)}</td><td>{escape(key)}</td>'
        f"<td>{escape(_values(column.values))}</td><td>{_note(of, column.name, column.comment)}</td></tr>"
    )


def _values(values: Sequence[str]) -> str:
    return ", ".join(values)


def _note(of: str, column: str | None, text: str | None) -> str:
    """A note with the button that changes it; the model reads notes with the schema."""
    about = f"{of}.{column}" if column else of
    look, said = ("icon-button", icons.EDIT) if text else ("text-button", "Add a note")
    return (
        f'{escape(text or "")}<button type="button" class="{look}" data-act="note" data-id="{escape(of)}&#10;{escape(column or "")}" data-prompt="Note on {escape(about)}, which the assistant reads" '
        f'data-value="{escape(text or "")}" data-empty="true" aria-label="Note on {escape(about)}" title="Note">{said}</button>'
    )


def _fields(kind: str) -> tuple[gr.Textbox, ...]:
    """The fields that a kind of database needs: (where, name, user, password)."""
    server = kind not in ("SQLite file", "URL")
    labels = {"SQLite file": ("File", "/home/me/shop.db"), "URL": ("URL", "postgresql://user:password@host/name")}
    label, example = labels.get(kind, ("Host", "localhost:5432"))
    others = (gr.Textbox(visible=server) for _ in range(3))
    return (gr.Textbox(label=label, placeholder=example), *others)
