"""Parquet: the native table, typed and compressed, for whoever reads hours of it.

A Parquet file can be read only once its end is written. It is written in groups of rows under its
temporary name; after kill -9 that file is of no use, and ``--resume`` makes it again from the rows
of the table that runs keep beside it.
"""

from pathlib import Path
from typing import Any, Self

from runtime.errors import OutputError
from runtime.files.atomic import drop
from runtime.formats import native
from runtime.formats.columns import Cell, Column, Layout
from runtime.formats.growing import PartialFile
from runtime.installed import how_to_install
from runtime.results import Result

PACK = 1000
"""Rows that are packed into Arrow's arrays together, a tenth of their size as Python's numbers."""

GROUP = 16
"""Packs that are held in memory and written together. The end of the file describes every column
of every group, and Arrow keeps that until then: with groups of one pack that would be more than a
gigabyte after a week, with these it is some ten bytes a row."""


class ParquetWriter:
    """Writes the table; a context manager. Columns are those of `runtime.formats.native`.

    Args:
        path: The file to write.
        layout: What the results hold.

    Raises:
        ImportError: pyarrow is not installed.
        InputError: The folder cannot be made.
        OutputError: The file cannot be written.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise ImportError(f"Parquet files need pyarrow: {how_to_install('parquet')}") from error
        self._arrow, self._layout = pyarrow, layout
        self._columns = native.columns(layout)
        self._schema = pyarrow.schema([(c.name, self._type(c)) for c in self._columns])
        self._rows: list[list[Cell]] = []
        self._any = False
        self._packs: list[Any] = []  # Arrow's record batches
        self._partial = PartialFile(path)
        try:
            self._writer = pyarrow.parquet.ParquetWriter(self._partial.path, self._schema)
        except OSError as error:
            raise OutputError(f"{self._partial.path} cannot be written ({error})") from error

    def _type(self, column: Column) -> Any:
        if column.text:
            return self._arrow.string()
        if column.digits is None:
            return self._arrow.int64()
        return self._arrow.float64() if column.name == "timestamp" else self._arrow.float32()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exception: type[BaseException] | None, *_: object) -> None:
        complete = exception is None or issubclass(exception, KeyboardInterrupt)
        try:
            if complete:
                self._pack()
                self._flush()
            self._writer.close()
        except OSError as error:
            drop(self._partial.path)
            if exception is None:
                raise self._failed(error) from error
            return
        # Without its last rows it would look like a whole file of a shorter video.
        self._partial.finish(exception, worth_keeping=complete and self._any)

    def write(self, result: Result) -> None:
        """Add one frame, see `runtime.formats.ResultWriter`."""
        self._rows += native.rows(result, self._layout)
        self._any = True
        if len(self._rows) < PACK:
            return
        self._pack()
        if len(self._packs) < GROUP:
            return
        try:
            self._flush()
        except OSError as error:
            raise self._failed(error) from error

    def _pack(self) -> None:
        values = zip(*self._rows, strict=True) if self._rows else [[]] * len(self._columns)
        arrays = [
            self._arrow.array(column, field.type)
            for column, field in zip(values, self._schema, strict=True)
        ]
        self._rows = []
        self._packs.append(self._arrow.record_batch(arrays, schema=self._schema))

    def _flush(self) -> None:
        if self._packs:
            self._writer.write_table(self._arrow.Table.from_batches(self._packs))
        self._packs = []

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self._partial.path} cannot be written further ({error}): make room, then resume the "
            "run (--resume)"
        )
