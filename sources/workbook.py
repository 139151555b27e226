"""Read publishers' workbooks (.xls, .xlsx, .xlsb) as text, whole sheets at a time."""

import struct

import fastexcel
import polars as pl

from sources import archive
from sources.source import ParseError, RawFile

_OLE = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK\x03\x04"
_FREE_SECTOR = 0xFFFFFFFF


def _is_whole(body: bytes) -> bool:
    """Whether an OLE file holds every sector that its allocation table calls used ([MS-CFB] 2.2 to 2.5).

    calamine reads a file that is cut off in its last sectors, or brings the process down.
    """
    try:
        size = {9: 512, 12: 4096}.get(struct.unpack_from("<H", body, 30)[0])
        if size is None:
            return False
        n_tables, more = struct.unpack_from("<I", body, 44)[0], struct.unpack_from("<I", body, 68)[0]
        tables = list(struct.unpack_from("<109I", body, 76))
        each = size // 4
        while len(tables) < n_tables:
            *listed, more = struct.unpack_from(f"<{each}I", body, (more + 1) * size)
            tables += listed
        used = -1
        for number, table in enumerate(tables[:n_tables]):
            entries = struct.unpack_from(f"<{each}I", body, (table + 1) * size)
            last = max((n for n, entry in enumerate(entries) if entry != _FREE_SECTOR), default=-1)
            used = number * each + last if last >= 0 else used
    except struct.error:
        return False
    return len(body) >= (used + 2) * size


def _refuse_macros(file: RawFile) -> None:
    """An .xlsx holds no macros by its definition: one that does is not what its name says.

    HUD's own .xlsb carries a VBA project. Nothing here runs one: calamine reads cells only.
    """
    has_macros = any(member.filename.lower().endswith("vbaproject.bin") for member in archive.members(file, "workbook"))
    if has_macros and file.name.lower().endswith(".xlsx"):
        raise ParseError(file.label, "an .xlsx must be without macros, but holds a VBA project")


class Workbook:
    """A landed workbook.

    Raises:
        ParseError: the bytes are not a workbook (an HTML page, say), or it is damaged, would fill the machine when
            it is unpacked, or is an .xlsx with macros.
    """

    def __init__(self, file: RawFile) -> None:
        self._file = file
        if not file.body.startswith((_OLE, _ZIP)):
            start = file.body[:40].decode("latin-1").strip()
            raise ParseError(file.label, f"must be a workbook, but starts with {start!r}")
        if file.body.startswith(_OLE) and not _is_whole(file.body):
            raise ParseError(file.label, f"must be a whole workbook, but is cut off after {len(file.body):,} bytes")
        if file.body.startswith(_ZIP):
            _refuse_macros(file)
        try:
            self._reader = fastexcel.read_excel(file.body)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # calamine's bindings raise several types of their own, and panic beside them
            reason = (str(error).splitlines() or [type(error).__name__])[0]
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
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # as above
            raise ParseError(self._file.label, f"cannot be read: {error}", sheet=sheet) from error
        return frame.rows()
