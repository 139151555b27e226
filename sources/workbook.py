"""Read publishers' workbooks (.xls, .xlsx, .xlsb) as text, whole sheets at a time."""

import fastexcel
import polars as pl

from sources.source import ParseError, RawFile

_OLE = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK\x03\x04"


class Workbook:
    """A landed workbook.

    Raises:
        ParseError: the bytes are not a workbook (an HTML page, say), or it is damaged.
    """

    def __init__(self, file: RawFile) -> None:
        self._file = file
        if not file.body.startswith((_OLE, _ZIP)):
            start = file.body[:40].decode("latin-1").strip()
            raise ParseError(file.label, f"must be a workbook, but starts with {start!r}")
        try:
            self._reader = fastexcel.read_excel(file.body)
        except Exception as error:  # calamine's bindings raise several types of their own
            reason = str(error).splitlines()[0]
            raise ParseError(file.label, f"must be a whole workbook, but cannot be opened: {reason}") from error

    @property
    def sheet_names(self) -> list[str]:
        return list(self._reader.sheet_names)

    def rows(self, sheet: str) -> list[tuple[str | None, ...]]:
        """All rows of a sheet as text, the header included; empty cells are None.

        Raises:
            ParseError: the sheet is missing or cannot be read.
        """
        if sheet not in self.sheet_names:
            raise ParseError(
                self._file.label, f"must have the sheet, but has {', '.join(self.sheet_names)}", sheet=sheet
            )
        try:
            frame: pl.DataFrame = self._reader.load_sheet(sheet, header_row=None, dtypes="string").to_polars()
        except Exception as error:
            raise ParseError(self._file.label, f"cannot be read: {error}", sheet=sheet) from error
        return frame.rows()
