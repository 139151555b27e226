"""A small simulated region, written in the publishers' own file formats, for trials, tests and demonstrations.

Nothing in it describes a real place: state code 97, postal code ZZ, every name says Simulated. Each source has a module
of its own id here, with `files(region)` that yields (vintage, name, body).
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator


def files(source_id: str) -> Iterator[tuple[str, str, bytes]]:
    """Every simulated file of a source as (vintage, name, body); a source that simulates nothing has none.

    A directory laid out <source>/<vintage>/<name> would hold the same. The bytes are the same at every call.
    """
    # Imported here so that listing the sources does not load the writers.
    from sources.simulated.region import region

    module = f"{__name__}.{source_id}"
    if importlib.util.find_spec(module) is not None:
        yield from importlib.import_module(module).files(region())


def all_files() -> Iterator[tuple[str, str, str, bytes]]:
    """Every simulated file of every source as (source_id, vintage, name, body)."""
    for module in pkgutil.iter_modules(__path__):
        if hasattr(importlib.import_module(f"{__name__}.{module.name}"), "files"):
            for vintage, name, body in files(module.name):
                yield module.name, vintage, name, body
