"""A table of AU events: which action unit of which face, from when to when."""

from pathlib import Path

from runtime.action_units import au_name
from runtime.formats.changes import Changes, Event
from runtime.formats.columns import Cell, Column, CsvWriter, Layout, table_lines
from runtime.results import Result


class EventsWriter(CsvWriter):
    """Writes a row an event, when it ends; events that go on are the last rows meanwhile.

    Columns: ``face_id``, ``au``, ``name`` (of FACS), ``onset`` and ``offset`` (seconds; offset is
    the first frame without it, or the last frame there is), ``first_frame`` and ``last_frame``
    (0-based, both with it), ``peak`` (highest probability), if the model tells intensities
    ``peak_intensity``, and in runs over many files ``input``, the file whose times these are.

    Args:
        path: The file to write.
        layout: What the results hold.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._changes = Changes()
        self._intensity, self._named = layout.intensity, layout.named
        columns = [
            *(Column("face_id"), Column("au", text=True), Column("name", text=True)),
            *(Column("onset", 3), Column("offset", 3)),
            *(Column("first_frame"), Column("last_frame"), Column("peak", 4)),
            *((Column("peak_intensity", 3),) if layout.intensity else ()),
            *((Column("input", text=True),) if layout.named else ()),
        ]
        super().__init__(path, columns)

    def write(self, result: Result) -> None:
        """Add one frame, see `runtime.formats.ResultWriter`."""
        ended = self._changes.update(result)
        settled, open_ones = (
            table_lines(self._columns, map(self._row, some)) for some in (ended, self._changes)
        )
        self._file.append(settled, tail=open_ones)

    def _row(self, event: Event) -> list[Cell]:
        return [
            *(event.face_id, event.au, au_name(event.au)),
            *(event.onset, event.offset, event.first, event.last, event.peak),
            *((event.peak_intensity,) if self._intensity else ()),
            *((event.name,) if self._named else ()),
        ]
