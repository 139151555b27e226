"""Change a publisher's file as a table, whatever its format, and write it again in the same format."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import xlsxwriter
import xlwt

from sources.simulated import xlsb
from sources.source import RawFile
from sources.workbook import Workbook

Rows = list[list[Any]]
Change = Callable[[Rows], Rows]
"""Takes a header and its rows, gives back what is written in their place."""

Sheet = list[list[str | float | None]]


def _as_number(text: str | None) -> str | float | None:
    try:
        return float(text or "x")
    except ValueError:
        return text


def sheets_of(body: bytes) -> dict[str, Sheet]:
    book = Workbook(RawFile("any", "any", "any", body))
    return {name: [[_as_number(cell) for cell in row] for row in book.rows(name)] for name in book.sheet_names}


def write_workbook(kind: str, sheets: dict[str, Sheet]) -> bytes:
    """A workbook as `xls`, `xlsx` or `xlsb`."""
    out = io.BytesIO()
    if kind == "xlsb":
        return xlsb.write([xlsb.Sheet(name, rows) for name, rows in sheets.items()])
    if kind == "xls":
        old = xlwt.Workbook(encoding="utf-8")
        for name, rows in sheets.items():
            sheet = old.add_sheet(name)
            for i, row in enumerate(rows):
                for j, value in enumerate(row):
                    sheet.write(i, j, value)
        old.save(out)
    else:
        new = xlsxwriter.Workbook(out, {"in_memory": True})
        for name, rows in sheets.items():
            page = new.add_worksheet(name)
            for i, row in enumerate(rows):
                for j, value in enumerate(row):
                    if isinstance(value, str):
                        page.write_string(i, j, value)
                    elif value is not None:
                        page.write_number(i, j, value)
        new.close()
    return out.getvalue()


def workbook_kind(body: bytes) -> str | None:
    """`xls`, `xlsx` or `xlsb`; None for anything else."""
    if body.startswith(b"\xd0\xcf\x11\xe0"):
        return "xls"
    if not body.startswith(b"PK"):
        return None
    names = zipfile.ZipFile(io.BytesIO(body)).namelist()
    return "xlsb" if "xl/workbook.bin" in names else "xlsx" if "xl/workbook.xml" in names else None


def _header_at(rows: Rows) -> int:
    """Titles stand above a header; it is the first row that is as full as any."""
    full = [sum(value not in (None, "") for value in row) for row in rows]
    return full.index(max(full[:12]))


def _changed(rows: Rows, change: Change) -> Rows:
    at = _header_at(rows)
    return [*rows[:at], *change([list(row) for row in rows[at:]])]


def _in_csv(body: bytes, change: Change) -> bytes:
    mark = b"\xef\xbb\xbf" if body.startswith(b"\xef\xbb\xbf") else b""
    encoding = "utf-8"
    try:
        text = body.removeprefix(mark).decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
        text = body.removeprefix(mark).decode(encoding)
    delimiter = "|" if "|" in text[:2000] else ","
    rows: Rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(_changed(rows, change))
    return mark + out.getvalue().encode(encoding)


def _in_records(records: list[dict[str, Any]], change: Change) -> list[dict[str, Any]]:
    names = list(records[0])
    header, *rows = change([names, *([record[name] for name in names] for record in records)])
    return [dict(zip(header, row, strict=True)) for row in rows]


def _in_json(body: bytes, change: Change) -> bytes | None:
    answer = json.loads(body)
    if isinstance(answer, list):
        return json.dumps(change(answer)).encode()
    if answer.get("results"):
        return json.dumps({**answer, "results": _in_records(answer["results"], change)}).encode()
    if answer.get("features"):
        return json.dumps({**answer, "features": _in_records(answer["features"], change)}).encode()
    return None


def _in_zip(body: bytes, change: Change) -> bytes | None:
    out, is_changed = io.BytesIO(), False
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            text = old.read(member)
            if member.filename.lower().endswith((".csv", ".txt")):
                text, is_changed = _in_csv(text, change), True
            new.writestr(member.filename, text)
    return out.getvalue() if is_changed else None


def edit(body: bytes, change: Change) -> bytes | None:
    """The same file with its table changed; None where the format holds no table that could be edited."""
    if kind := workbook_kind(body):
        sheets = sheets_of(body)
        first = next(iter(sheets))
        return write_workbook(kind, {**sheets, first: _changed(sheets[first], change)})
    if body.startswith(b"PK"):
        return _in_zip(body, change)
    if body.lstrip()[:1] in (b"[", b"{"):
        return _in_json(body, change)
    if body.startswith(b"PAR1"):
        return None
    return _in_csv(body, change)
