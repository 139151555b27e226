"""SVI: a file of all counties, and a file of tracts for each state and for the nation, in yearly folders."""

from tests.publisher import Answer, Asked, Files, file_at

HOSTS = ("svi.cdc.gov",)
_ROOT = "/Documents/Data/2022/csv"


def answer(asked: Asked, files: Files) -> Answer | None:
    tracts = ("cdc_svi", "2022", "tracts/SimulatedState.csv")
    paths = {
        f"{_ROOT}/states_counties/SVI_2022_US_county.csv": ("cdc_svi", "2022", "SVI_2022_US_county.csv"),
        f"{_ROOT}/states/SimulatedState.csv": tracts,
        # The simulated nation has one state.
        f"{_ROOT}/states/SVI_2022_US.csv": tracts,
    }
    return file_at(asked, files, paths)
