"""A small simulated region, written in the publishers' own file formats, for trials, tests and demonstrations.

Nothing in it describes a real place: state code 97, postal code ZZ, every name says Simulated.
"""

from collections.abc import Iterator


def files() -> Iterator[tuple[str, str, str, bytes]]:
    """Every simulated file as (source_id, vintage, name, body).

    A directory laid out <source>/<vintage>/<name> would hold the same. The bytes are the same at every call.
    """
    # Imported here so that listing the sources does not load the writers.
    from sources.simulated import acs, afcars, coc, geo, pit, saipe
    from sources.simulated.region import region

    here = region()
    for writer in (acs, afcars, coc, geo, pit, saipe):
        yield from writer.files(here)
