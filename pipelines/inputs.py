"""The three inputs behind one interface: the embedded sample, a directory, the publishers."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Protocol

from pipelines.settings import LIVE, SAMPLE, Settings
from sources.registry import all_sources
from sources.source import Fetched, Fetcher, PassingError, Scope, Source, SourceError


class Input(Protocol):
    """Where publishers' files come from."""

    def files(
        self, source: Source, scope: Scope, vintages: Collection[str] | None = None
    ) -> Iterator[tuple[str, Fetched]]:
        """Yield (vintage, file) for what the source reads, of all its vintages or of these only."""
        ...

    def vintages(self, source: Source) -> tuple[str, ...]:
        """Vintages of which the input tells everything: what it does not offer of them is no longer read."""
        ...

    def unread(self, source: Source) -> list[str]:
        """Files of the source that are there and that nobody reads, each with the reason."""
        ...


def _is_asked(vintage: str, vintages: Collection[str] | None) -> bool:
    return vintages is None or vintage in vintages


class DirectoryInput:
    """A directory laid out `<source>/<vintage>/<file>`, read where it lies."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _paths(self, source: Source) -> Iterator[tuple[str, str, Path]]:
        base = self._root / source.id
        for path in sorted(base.rglob("*")) if base.is_dir() else []:
            if path.is_file():
                vintage, *rest = path.relative_to(base).parts
                yield vintage, "/".join(rest), path

    def files(
        self, source: Source, scope: Scope, vintages: Collection[str] | None = None
    ) -> Iterator[tuple[str, Fetched]]:
        for vintage, name, path in self._paths(source):
            if vintage in source.vintage_ids and _is_asked(vintage, vintages) and source.reads(name):
                # The address is relative: published records carry nobody's folders.
                yield vintage, Fetched(name, path, f"directory:{source.id}/{vintage}/{name}")

    def vintages(self, source: Source) -> tuple[str, ...]:
        return tuple(source.vintage_ids)

    def unread(self, source: Source) -> list[str]:
        return [
            f"{source.id}/{vintage}/{name}: "
            + (
                "no parser reads this name"
                if vintage in source.vintage_ids
                else f"the vintage {vintage} is not declared"
            )
            for vintage, name, _ in self._paths(source)
            if vintage not in source.vintage_ids or not source.reads(name)
        ]


class SampleInput:
    """The simulated region, written anew in the publishers' formats."""

    def files(
        self, source: Source, scope: Scope, vintages: Collection[str] | None = None
    ) -> Iterator[tuple[str, Fetched]]:
        from sources.simulated import files

        for vintage, name, body in files(source.id):
            if _is_asked(vintage, vintages):
                yield vintage, Fetched(name, body, f"simulated:{source.id}/{vintage}/{name}")

    def vintages(self, source: Source) -> tuple[str, ...]:
        return tuple(source.vintage_ids)

    def unread(self, source: Source) -> list[str]:
        return []


def fetched_vintages(source: Source) -> tuple[str, ...]:
    """The vintages that a live run fetches."""
    return tuple(vintage.id for vintage in source.vintages if vintage.live and source.fetch is not None)


class LiveInput:
    """The publishers themselves, through the fetcher."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def files(
        self, source: Source, scope: Scope, vintages: Collection[str] | None = None
    ) -> Iterator[tuple[str, Fetched]]:
        if source.fetch is None:
            return
        for vintage in self.vintages(source):
            if _is_asked(vintage, vintages):
                for fetched in _named(source, vintage, source.fetch(self._fetcher, vintage, scope)):
                    yield vintage, fetched

    def vintages(self, source: Source) -> tuple[str, ...]:
        return fetched_vintages(source)

    def unread(self, source: Source) -> list[str]:
        return []


def strangers(settings: Settings) -> list[str]:
    """Folders of an input directory that no source reads, so that nothing is passed over without a word."""
    if settings.input in (SAMPLE, LIVE):
        return []
    known = all_sources()
    return sorted(
        f"{path.name}/: no source has this name"
        for path in Path(settings.input).iterdir()
        if path.is_dir() and path.name not in known
    )


def _named(source: Source, vintage: str, fetched: Iterator[Fetched]) -> Iterator[Fetched]:
    """The same files; an error that does not name the source is told which one it is."""
    told: SourceError | None = None
    try:
        yield from fetched
    except SourceError as error:
        if source.id in str(error):
            raise
        told = type(error)(f"{source.id}/{vintage}/{error}") if type(error) in (SourceError, PassingError) else error
    if told is not None:
        raise told


def open_input(settings: Settings, fetcher: Callable[[], Fetcher]) -> Input:
    """The input that the settings name; the fetcher is made only for a live run."""
    if settings.input == SAMPLE:
        return SampleInput()
    if settings.input == LIVE:
        return LiveInput(fetcher())
    return DirectoryInput(Path(settings.input))
