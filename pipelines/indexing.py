"""The files of `headwaters index`: a declaration and a table in, scores and what explains them out."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import polars as pl

from models.indices.table_index import compute
from models.indices.table_output import Options
from models.indices.table_spec import TableSpec, read_table_index
from models.indices.yaml_lines import read
from pipelines.files import sync_folder, write_atomically
from pipelines.spreadsheet import csv_bytes
from sources.source import ParseError, RawFile
from sources.tabular import ROW, read_frame

SIDE_FILES = ("treatments", "sensitivity", "factors")
"""What may stand beside the output, as <output>.<name>.csv."""


class FileError(ValueError):
    """A file that cannot be read or written; says which and why."""


@dataclass(frozen=True)
class Outcome:
    """What a call wrote (file to rows, the output first) and what its reader has to know."""

    written: Mapping[Path, int]
    notes: tuple[str, ...]


def _text(path: Path) -> str:
    """The text of a file in UTF-8, without its byte order mark."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from None
    for start, what in ((b"PK", "a ZIP file or a workbook"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if body.startswith(start):
            raise FileError(f"{path.name}: is {what}, not text in UTF-8: save it as `CSV UTF-8`")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        what = f"the byte {body[error.start]:#04x} is not UTF-8"
        raise FileError(f"{path.name}:{line}: {what}: save it as `CSV UTF-8`") from None


def read_declaration(path: Path) -> TableSpec:
    """Read the declaration of the index of a table.

    Raises:
        FileError: it cannot be read.
        DeclarationError: it declares nothing that can be computed; with file, line and key.
    """
    return read_table_index(read(_text(path), path.name))


def read_table(path: Path) -> pl.DataFrame:
    """Read a CSV file whole, every cell as the text that it is.

    Raises:
        FileError: not UTF-8, a web page, without rows, a name that stands twice in the header, or a row
            that is longer or shorter than the header.
    """
    text = _text(path)
    start = text.lstrip()[:500].lower()
    if not start:
        raise FileError(f"{path.name}: is empty")
    if start.startswith("<"):
        what = "a web page" if "html" in start else "XML"
        raise FileError(f"{path.name}:1: is {what}, not CSV: the download may have failed or asked for a login")
    if "\x00" in text:
        raise FileError(f"{path.name}: holds zero bytes, so it is no text: save it as `CSV UTF-8`")
    try:
        return read_frame(RawFile("table", "", path.name, text.encode()), [()]).drop(ROW)
    except ParseError as error:
        row = f": row {error.row}" if error.row is not None else ""
        raise FileError(f"{path.name}{row}: {error.rule}") from None


def run(declaration: Path, table: Path, output: Path, options: Options) -> Outcome:
    """Compute an index of a table and write it; an error writes nothing.

    Raises:
        FileError: a file cannot be read or written.
        DeclarationError: the declaration cannot be computed.
        TableError: the table cannot be computed from.
    """
    for source in (declaration, table):
        if output.resolve() == source.resolve():
            raise FileError(f"{output}: is read here, so it cannot be the output")
    if output.is_dir():
        raise FileError(f"{output}: is a folder: name a file")
    spec = read_declaration(declaration)
    frame = read_table(table)
    named = spec.error_correlation
    matrix = read_table(declaration.parent / named) if isinstance(named, str) else None
    result = compute(spec, frame, options, where=table.name, matrix=matrix)
    files, notes = {output: result.table}, list(result.notes)
    for name in SIDE_FILES:
        path = output.with_suffix(f".{name}.csv")
        if name in result.beside:
            files[path] = result.beside[name]
        elif path.exists():
            notes.append(f"{path.name} was not written this time: what stands there is of an earlier call")
    _write(files)
    return Outcome({path: rows.height for path, rows in files.items()}, tuple(notes))


def _write(files: Mapping[Path, pl.DataFrame]) -> None:
    """Write every file beside its target and only then rename, so that an error leaves the old ones."""
    waiting = {path: path.with_name(f".{path.name}.{uuid4().hex}.tmp") for path in files}
    try:
        for path, temporary in waiting.items():
            write_atomically(temporary, csv_bytes(files[path]))
        for path, temporary in waiting.items():
            temporary.replace(path)
            sync_folder(path.parent)
    except OSError as error:
        raise FileError(f"{error.filename or next(iter(files))}: cannot be written: {error.strerror}") from None
    finally:
        for temporary in waiting.values():
            with suppress(OSError):  # a folder that is none has nothing to tidy
                temporary.unlink(missing_ok=True)
