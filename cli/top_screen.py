"""The screen of `pgqueue top`: three tables, a line to type in, and keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Input, Static

from .output import STATE_STYLES, text_of_seconds
from .printable import printable
from .queue_table import COLUMNS, cells_of
from .records import first_line

if TYPE_CHECKING:
    from .board import Board, Picture

    Row = dict[str, Any]
    Table = DataTable[Text]

OF_RUNNING = ("id", "task", "queue", "attempt", "for", "worker")
OF_FAILURES = ("job", "task", "queue", "attempt", "state", "ago", "error")


class Top(App[None]):
    """Looks at the board again and again, and acts on the row under the cursor."""

    TITLE = "pgqueue top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    DataTable { height: 1fr; border: round $primary; }
    DataTable:focus { border: round $accent; }
    #said { height: 1; padding: 0 1; }
    #typed { display: none; dock: bottom; }
    #typed.asking { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause or resume"),
        Binding("R", "retry", "Retry"),
        Binding("slash", "filter", "Filter"),
        Binding("escape", "forget", "Back", show=False),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(self, board: Board, *, every: float) -> None:
        super().__init__()
        self._board = board
        self._every = every
        self._busy = asyncio.Lock()
        self._text = ""
        self._typed: Callable[[str], Any] = lambda _: None
        self._picture: Picture | None = None

    def compose(self) -> ComposeResult:
        for name, columns in (
            ("queues", [column.lstrip(">") or "note" for column in COLUMNS]),
            ("running", OF_RUNNING),
            ("failures", OF_FAILURES),
        ):
            table: Table = DataTable(id=name, cursor_type="row", zebra_stripes=True)
            table.border_title = name
            table.add_columns(*columns)
            yield table
        yield Static("", id="said")
        yield Input(id="typed")
        yield Footer()

    async def on_mount(self) -> None:
        await self.look()
        self.set_interval(self._every, self.look)

    # Looking

    async def look(self) -> None:
        """Look at the database in a thread, so that keys are heard meanwhile."""
        if self._busy.locked():
            return
        async with self._busy:
            try:
                self._picture = await asyncio.to_thread(self._board.look)
            except Exception as error:  # noqa: BLE001 - it may be there again at the next look
                self._say(f"no look: {first_line(str(error))}")
                return
        self._draw()

    def _draw(self) -> None:
        if self._picture is None:
            return
        shown = self._picture.only(self._text) if self._text else self._picture
        self._fill("queues", {row["queue"]: cells_of(row) for row in shown.queues})
        self._fill("running", {str(row["id"]): _of_running(row) for row in shown.running})
        self._fill("failures", {_key(row): _of_failure(row) for row in shown.failures})

    def _fill(self, name: str, rows: dict[str, list[object]]) -> None:
        """New rows; the cursor stays on the row it was on."""
        table = self.query_one(f"#{name}", DataTable)
        before = self._under_cursor(name)
        table.clear()
        for key, cells in rows.items():
            table.add_row(*map(_cell, cells), key=key)
        if before in rows:
            table.move_cursor(row=table.get_row_index(before))

    def _under_cursor(self, name: str) -> str | None:
        table = self.query_one(f"#{name}", DataTable)
        if not table.is_valid_coordinate(table.cursor_coordinate):
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    # Acting

    async def action_pause(self) -> None:
        """Pause the queue under the cursor, once a reason was typed; resume it if it is paused."""
        queue = self._under_cursor("queues")
        if queue is None:
            self._say("there is no queue under the cursor.")
            return
        rows = self._picture.queues if self._picture else []
        if any(row["queue"] == queue and row["paused_at"] for row in rows):
            await self._act(self._board.resume, queue)
        else:
            self._ask(
                f"why {printable(queue)} is paused; Enter pauses, Escape does not",
                lambda reason: self._act(self._board.pause, queue, reason or None),
            )

    async def action_retry(self) -> None:
        """Retry the job of the failure under the cursor."""
        key = self._under_cursor("failures")
        if key is None:
            self._say("there is no failure under the cursor.")
        else:
            await self._act(self._board.retry, int(key.partition(" ")[0]))

    def action_filter(self) -> None:
        """Show only rows with a text in queue, task, worker or error."""
        self._ask("show only rows with this text; nothing: all rows", self._filter)

    async def _filter(self, text: str) -> None:
        self._text = text.strip()
        self._draw()
        self._say(f"only rows with: {self._text}" if self._text else "")

    async def _act(self, action: Callable[..., str], *parameters: object) -> None:
        async with self._busy:
            try:
                self._say(await asyncio.to_thread(action, *parameters))
            except Exception as error:  # noqa: BLE001 - told to who pressed the key
                self._say(f"refused: {first_line(str(error))}")
        await self.look()

    # Typing

    def _ask(self, question: str, typed: Callable[[str], Any]) -> None:
        line = self.query_one("#typed", Input)
        line.value, line.placeholder = "", question
        line.add_class("asking")
        line.focus()
        self._typed = typed

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter ends what was asked."""
        text = event.value
        self.action_forget()
        await self._typed(text)

    def action_forget(self) -> None:
        """Back to the tables."""
        self.query_one("#typed", Input).remove_class("asking")
        self.query_one("#queues", DataTable).focus()

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(Text(printable(text)))


def _key(row: Row) -> str:
    return f"{row['job_id']} {row['id']}"


def _cell(value: object) -> Text:
    """Text as it is: whatever a job holds, no markup and nothing that a terminal obeys."""
    text = printable("–" if value is None else value)
    return Text(text, style=STATE_STYLES.get(text, ""))


def _of_running(row: Row) -> list[object]:
    ran = None if row["seconds"] is None else text_of_seconds(row["seconds"])
    attempt = f"{row['attempt']}/{row['max_attempts']}"
    return [row["id"], row["task"], row["queue"], attempt, ran, row["worker"]]


def _of_failure(row: Row) -> list[object]:
    start = [row["job_id"], row["task"], row["queue"], row["attempt"], row["state"]]
    return [*start, text_of_seconds(row["seconds"]), first_line(row["error"])]
