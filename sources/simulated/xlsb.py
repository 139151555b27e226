"""Write a minimal .xlsb (Excel binary workbook, BIFF12): sheets of text and numbers, nothing else.

The format is a zip of parts; each binary part is a run of records, a record being its type, its size and
its payload, type and size as variable-length integers. Specification: [MS-XLSB],
https://learn.microsoft.com/openspecs/office_file_formats/ms-xlsb
"""

import io
import struct
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Value = str | float | int | None

# Record types, [MS-XLSB] 2.3.
_ROW_HEADER, _CELL_REAL, _CELL_STRING_INDEX, _STRING_ITEM = 0, 5, 7, 19
_BEGIN_SHEET, _END_SHEET, _BEGIN_BOOK, _END_BOOK = 129, 130, 131, 132
_BEGIN_SHEETS, _END_SHEETS, _BEGIN_DATA, _END_DATA, _DIMENSION = 143, 144, 145, 146, 148
_BUNDLE_SHEET, _BEGIN_STRINGS, _END_STRINGS = 156, 159, 160

_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


@dataclass(frozen=True)
class Sheet:
    """A sheet; `hidden` as HUD hides its helper sheets ("very hidden")."""

    name: str
    rows: Sequence[Sequence[Value]]
    hidden: bool = False


def _variable(number: int) -> bytes:
    """Seven bits a byte, low bits first; the high bit says that more follow."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _record(kind: int, payload: bytes = b"") -> bytes:
    return _variable(kind) + _variable(len(payload)) + payload


def _text(text: str) -> bytes:
    """A length in UTF-16 units and the units."""
    encoded = text.encode("utf-16-le")
    return struct.pack("<I", len(encoded) // 2) + encoded


def _row(index: int, values: Sequence[Value], strings: dict[str, int]) -> Iterable[bytes]:
    # Row, style, height, flags, then one span that covers all its columns.
    span = struct.pack("<III", 1, 0, max(len(values) - 1, 0))
    yield _record(_ROW_HEADER, struct.pack("<IIHHB", index, 0, 300, 0, 0) + span)
    for column, value in enumerate(values):
        place = struct.pack("<II", column, 0)
        if isinstance(value, str):
            yield _record(_CELL_STRING_INDEX, place + struct.pack("<I", strings.setdefault(value, len(strings))))
        elif value is not None:
            yield _record(_CELL_REAL, place + struct.pack("<d", float(value)))


def _sheet(sheet: Sheet, strings: dict[str, int]) -> bytes:
    width = max((len(row) for row in sheet.rows), default=1)
    dimension = struct.pack("<IIII", 0, max(len(sheet.rows) - 1, 0), 0, max(width - 1, 0))
    rows = [record for i, row in enumerate(sheet.rows) for record in _row(i, row, strings)]
    start = [_record(_BEGIN_SHEET), _record(_DIMENSION, dimension), _record(_BEGIN_DATA)]
    return b"".join([*start, *rows, _record(_END_DATA), _record(_END_SHEET)])


def _book(sheets: Sequence[Sheet]) -> bytes:
    listed = [
        _record(_BUNDLE_SHEET, struct.pack("<II", 2 if sheet.hidden else 0, i) + _text(f"rId{i}") + _text(sheet.name))
        for i, sheet in enumerate(sheets, start=1)
    ]
    return b"".join([_record(_BEGIN_BOOK), _record(_BEGIN_SHEETS), *listed, _record(_END_SHEETS), _record(_END_BOOK)])


def _shared_strings(strings: Iterable[str], references: int) -> bytes:
    items = [_record(_STRING_ITEM, b"\0" + _text(text)) for text in strings]
    return b"".join(
        [_record(_BEGIN_STRINGS, struct.pack("<II", references, len(items))), *items, _record(_END_STRINGS)]
    )


def _relationships(targets: Sequence[tuple[str, str]]) -> bytes:
    entries = "".join(
        f'<Relationship Id="rId{i}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for i, (kind, target) in enumerate(targets, start=1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{entries}</Relationships>'.encode()


def _content_types(sheets: int) -> bytes:
    parts = [("/xl/workbook.bin", "application/vnd.ms-excel.sheet.binary.macroEnabled.main")]
    parts += [(f"/xl/worksheets/sheet{i}.bin", "application/vnd.ms-excel.worksheet") for i in range(1, sheets + 1)]
    parts += [("/xl/sharedStrings.bin", "application/vnd.ms-excel.sharedStrings")]
    overrides = "".join(f'<Override PartName="{part}" ContentType="{kind}"/>' for part, kind in parts)
    relationships = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    return f'{_XML}<Types xmlns="{_PACKAGE}/content-types">{relationships}{overrides}</Types>'.encode()


def write(sheets: Sequence[Sheet]) -> bytes:
    """The bytes of a workbook, the same for the same sheets on every machine."""
    strings: dict[str, int] = {}
    bodies = [_sheet(sheet, strings) for sheet in sheets]
    references = sum(isinstance(value, str) for sheet in sheets for row in sheet.rows for value in row)
    worksheets = [("worksheet", f"worksheets/sheet{i}.bin") for i in range(1, len(sheets) + 1)]
    parts = {
        "[Content_Types].xml": _content_types(len(sheets)),
        "_rels/.rels": _relationships([("officeDocument", "xl/workbook.bin")]),
        "xl/workbook.bin": _book(sheets),
        "xl/_rels/workbook.bin.rels": _relationships([*worksheets, ("sharedStrings", "sharedStrings.bin")]),
        **{f"xl/worksheets/sheet{i}.bin": body for i, body in enumerate(bodies, start=1)},
        "xl/sharedStrings.bin": _shared_strings(strings, references),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, body in parts.items():
            # Stored, undated and from one named system: compressors, clocks and platforms differ.
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 0
            archive.writestr(entry, body, zipfile.ZIP_STORED)
    return packed.getvalue()
