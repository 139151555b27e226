"""Read publishers' ZIP archives without trusting them: no bombs, no paths that climb out, no cut-off members."""

import fnmatch
import io
import zipfile
from pathlib import PurePosixPath, PureWindowsPath

from sources.source import ParseError, RawFile

MAX_BYTES = 4_000_000_000
"""The most that all members of an archive may hold once unpacked."""
MAX_RATIO = 200
"""How many times its size a member may grow; text shrinks to a tenth, a bomb to a thousandth."""
MAX_MEMBERS = 10_000
_SMALL = 10_000_000  # below this nothing is a bomb, and rows of blanks compress without end


def _judge(file: RawFile, member: zipfile.ZipInfo) -> None:
    name = member.filename
    windows, posix = PureWindowsPath(name), PurePosixPath(name)
    if windows.drive or windows.is_absolute() or posix.is_absolute() or ".." in (*windows.parts, *posix.parts):
        raise ParseError(file.label, f"member {name!r}: its path must stay inside the archive, but climbs out of it")
    if member.flag_bits & 1:
        raise ParseError(file.label, f"member {name!r}: must not be encrypted")
    if member.file_size > _SMALL and member.file_size > MAX_RATIO * max(member.compress_size, 1):
        raise ParseError(
            file.label,
            f"member {name!r}: must not grow more than {MAX_RATIO}-fold, but claims {member.file_size:,} bytes out of "
            f"{member.compress_size:,}",
        )


def members(file: RawFile, what: str = "ZIP archive") -> list[zipfile.ZipInfo]:
    """The members of an archive, folders apart, each judged.

    Args:
        what: what errors call the file.

    Raises:
        ParseError: no whole ZIP archive, one that would fill the machine, or a member whose path climbs out.
    """
    try:
        with zipfile.ZipFile(file.content if not isinstance(file.content, bytes) else io.BytesIO(file.content)) as book:
            found = [member for member in book.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        start = file.body[:40].decode("latin-1").strip()
        state = "is cut off or damaged" if start.startswith("PK") else f"starts with {start!r}"
        raise ParseError(file.label, f"must be a whole {what}, but {state}: {error}") from None
    for member in found:
        _judge(file, member)
    total = sum(member.file_size for member in found)
    if total > MAX_BYTES or len(found) > MAX_MEMBERS:
        raise ParseError(
            file.label,
            f"must hold at most {MAX_BYTES:,} bytes in {MAX_MEMBERS:,} members, but claims {total:,} in {len(found):,}",
        )
    return found


def read_member(file: RawFile, pattern: str) -> RawFile:
    """The one member whose name matches a pattern (fnmatch, folders ignored), as a file of its own.

    Raises:
        ParseError: as `members`; no member or several match; or the member is damaged.
    """
    found = [m for m in members(file) if fnmatch.fnmatch(PurePosixPath(m.filename).name.lower(), pattern.lower())]
    if len(found) != 1:
        raise ParseError(file.label, f"must hold one member like {pattern!r}, but holds {len(found)}")
    try:
        source = file.content if not isinstance(file.content, bytes) else io.BytesIO(file.content)
        with zipfile.ZipFile(source) as book, book.open(found[0]) as stream:
            body = stream.read(found[0].file_size + 1)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError) as error:
        raise ParseError(file.label, f"member {found[0].filename!r}: must be whole, but: {error}") from None
    except Exception as error:  # zlib.error is no subclass of the others
        raise ParseError(file.label, f"member {found[0].filename!r}: cannot be unpacked: {error}") from None
    if len(body) != found[0].file_size:
        raise ParseError(file.label, f"member {found[0].filename!r}: is larger than the archive says")
    return RawFile(file.source_id, file.vintage, f"{file.name}!{found[0].filename}", body, file.scope)
