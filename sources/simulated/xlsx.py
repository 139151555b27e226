"""Write an .xlsx of text and numbers, the same bytes at every call."""

import datetime
import io
from collections.abc import Mapping, Sequence

import xlsxwriter

from sources.simulated.xlsb import Value


def write(sheets: Mapping[str, Sequence[Sequence[Value]]], created: datetime.datetime) -> bytes:
    """The bytes of a workbook.

    Args:
        created: what the workbook says of its own creation, the one thing that would differ between calls.
    """
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties({"title": "Simulated", "created": created})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(i, j, value)  # `write` would make nothing of an empty text
                elif value is not None:
                    sheet.write_number(i, j, value)
    book.close()
    return out.getvalue()
