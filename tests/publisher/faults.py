"""What can go wrong between a publisher and us, each as a change of an honest answer."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.editing import Rows, edit, workbook_kind, write_workbook
from tests.publisher import Answer, Asked, compressed

HTML = b"<!DOCTYPE html><html><head><title>Scheduled maintenance</title></head><body>Come back later</body></html>"

Make = Callable[[Answer, Random], Answer | None]
"""Spoils an answer; None where the fault cannot befall it."""


def time_out(answer: Answer, random: Random) -> Answer:
    return replace(answer, stall=1.0)


def reset_in_mid_body(answer: Answer, random: Random) -> Answer:
    return replace(answer, abort_after=random.randrange(1, max(2, len(answer.body))))


def too_many_requests(answer: Answer, random: Random) -> Answer:
    return Answer(b"slow down", "text/plain", 429, {"Retry-After": "1"}, has_validators=False)


def server_error(answer: Answer, random: Random) -> Answer:
    return Answer(HTML, "text/html", 500, has_validators=False)


def truncated_gzip(answer: Answer, random: Random) -> Answer:
    whole = compressed(answer)
    return replace(whole, body=whole.body[: max(12, len(whole.body) // 2)])


def wrong_length(answer: Answer, random: Random) -> Answer:
    return replace(answer, length=max(1, len(answer.body) + random.choice((-17, 1000))))


def html_with_200(answer: Answer, random: Random) -> Answer:
    return Answer(HTML, random.choice(("text/html", answer.content_type)), has_validators=False)


def empty_body(answer: Answer, random: Random) -> Answer:
    return replace(answer, body=b"")


def _edited(answer: Answer, change: Callable[[Rows], Rows]) -> Answer | None:
    body = edit(answer.body, change)
    return None if body is None else replace(answer, body=body)


def renamed_column(answer: Answer, random: Random) -> Answer | None:
    def change(rows: Rows) -> Rows:
        at = random.randrange(len(rows[0]))
        rows[0][at] = f"{rows[0][at]} (new)"
        return rows

    return _edited(answer, change)


def swapped_columns(answer: Answer, random: Random) -> Answer | None:
    def change(rows: Rows) -> Rows:
        width = len(rows[0])
        one, other = random.sample(range(width), 2) if width > 1 else (0, 0)
        for row in rows:
            if len(row) == width:
                row[one], row[other] = row[other], row[one]
        return rows

    return _edited(answer, change)


def duplicated_rows(answer: Answer, random: Random) -> Answer | None:
    def change(rows: Rows) -> Rows:
        at = random.randrange(1, len(rows))
        return [*rows[: at + 1], *(list(row) for row in rows[at : at + 3]), *rows[at + 1 :]]

    return _edited(answer, change)


def shrunk_vintage(answer: Answer, random: Random) -> Answer | None:
    return _edited(answer, lambda rows: rows[: 1 + (len(rows) - 1) // 2])


def zip_bomb(answer: Answer, random: Random) -> Answer | None:
    if not answer.body.startswith(b"PK"):
        return None
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bomb:
        for name in zipfile.ZipFile(io.BytesIO(answer.body)).namelist()[:3]:
            bomb.writestr(name, bytes(12_000_000))
    return replace(answer, body=out.getvalue())


def macros(answer: Answer, random: Random) -> Answer | None:
    if workbook_kind(answer.body) != "xlsx":
        return None
    from tests.editing import sheets_of

    out = io.BytesIO(write_workbook("xlsx", sheets_of(answer.body)))
    with zipfile.ZipFile(out, "a") as book:
        book.writestr("xl/vbaProject.bin", b"\xd0\xcf\x11\xe0 a program")
    return replace(answer, body=out.getvalue())


def climbing_path(answer: Answer, random: Random) -> Answer | None:
    if not answer.body.startswith(b"PK"):
        return None
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(answer.body)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("../../../etc/cron.d/climbed.csv", b"a,b\n1,2\n")
    return replace(answer, body=out.getvalue())


FAULTS: dict[str, Make] = {
    make.__name__: make
    for make in (
        time_out,
        reset_in_mid_body,
        too_many_requests,
        server_error,
        truncated_gzip,
        wrong_length,
        html_with_200,
        empty_body,
        renamed_column,
        swapped_columns,
        duplicated_rows,
        shrunk_vintage,
        zip_bomb,
        macros,
        climbing_path,
    )
}


class Once:
    """A fault that befalls one request of a run, or every request from it on; use as `Publisher.fault`.

    Args:
        nth: which of the answers that it can befall.
        stays: whether every later answer is spoilt too.
    """

    def __init__(self, make: Make, random: Random, nth: int = 0, *, stays: bool) -> None:
        self.make, self.random, self.nth, self.stays = make, random, nth, stays
        self.seen = self.befell = 0

    def __call__(self, asked: Asked, answer: Answer) -> Answer:
        if answer.status not in (200, 206) or (self.befell and not self.stays):
            return answer
        spoilt = self.make(answer, self.random)
        if spoilt is None:
            return answer
        self.seen += 1
        if self.seen <= self.nth:
            return answer
        self.befell += 1
        return spoilt
