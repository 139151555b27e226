"""HUD User: the housing inventory, beside the point-in-time counts."""

from tests.publisher import Answer, Asked, Files
from tests.publisher.hud_pit import HOSTS, served

__all__ = ["HOSTS", "answer"]


def answer(asked: Asked, files: Files) -> Answer | None:
    return served(asked, files, "hud_hic", ("2007-2025-HIC-Counts-by-CoC.xlsx", "2007-2025-HIC-Counts-by-State.xlsx"))
