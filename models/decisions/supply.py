"""What is there already: services and grants that a list names, schools and districts, and where need meets no service.

No list at hand is never read as no service, and a listed service says nothing of an open place.
"""

from collections.abc import Mapping

import polars as pl

from models.decisions.schools import is_middle_or_high, is_open

PROVIDERS, GRANTS = "core.local_services_provider", "core.local_services_grant"
SCHOOLS, ELSI, DISTRICTS = "core.nces_ccd_school", "core.nces_ccd_elsi_school", "core.nces_ccd_district"
SCORES = "risk.scores"
READS = (PROVIDERS, GRANTS, SCHOOLS, ELSI, DISTRICTS, SCORES)

SERVICES = {
    "prevention_programme": "prevention programmes",
    "mentoring": "mentoring",
    "outreach_drop_in": "drop-in centres",
    "street_outreach": "street outreach",
    "legal_advocacy": "legal advocacy",
    "survivor_outpatient": "outpatient services for survivors",
    "survivor_residential": "residential services for survivors",
    "training": "training of those who meet young people",
    "emergency_shelter": "emergency shelter",
    "transitional_or_host_home": "transitional housing and host homes",
    "substance_use": "treatment of substance use",
    "counselling_mental_health": "counselling and mental health care",
}
LINES = {
    "prevention_programmes": "prevention programmes",
    "training_education": "training and education",
    "survivor_services": "survivor services",
}
BEDS = {"beds_count": "", "beds_lgbtq_count": " open to LGBTQ youth", "beds_male_count": " open to male youth"}

NO_LIST = "no list at hand: services may well exist"
NO_SERVICE = "no listed service; one that the list does not know may exist"
GAP = "high need, no listed service; one that the list does not know may exist"
SURE = 0.8
"""Chance from which an area is said to be of high need: of being in the first tier of the priority index."""

SUPPLY = {
    **{f"listed_{service}_count": f"Listed: {title}" for service, title in SERVICES.items()},
    **{f"granted_{line}_count": f"Grants of the fund: {title}" for line, title in LINES.items()},
    **{f"listed_{name}": f"Listed beds for young people{which}" for name, which in BEDS.items()},
    "middle_high_schools_count": "Schools, first contact for training",
    "districts_count": "School districts and other agencies that run schools",
}
"""Every piece of supply by id, with its title."""

FOUND = pl.Schema(
    {"geo_id": pl.String, "item_id": pl.String, "value": pl.Float64, "note": pl.String, "period": pl.String}
)


def supply_of(tables: Mapping[str, pl.DataFrame], counties: pl.DataFrame) -> pl.DataFrame:
    """Every piece of supply of every county: geo_id, item_id, value (null where there is no list), note, period.

    Args:
        tables: those of `READS`; each may be empty.
        counties: geo_id of the region's counties.
    """
    ids = counties.select("geo_id")
    needy = high_need(tables[SCORES])
    parts = [
        _listed(tables[PROVIDERS], ids, needy),
        _beds(tables[PROVIDERS], ids),
        _granted(tables[GRANTS], ids),
        _institutions(tables, ids),
    ]
    return pl.concat([_found(part) for part in parts])


def _found(part: pl.DataFrame) -> pl.DataFrame:
    return part.select(pl.col(name).cast(dtype) for name, dtype in FOUND.items())


def high_need(scores: pl.DataFrame) -> set[str]:
    """Counties that are in the first tier of the priority index with a chance of at least `SURE`."""
    first = (pl.col("index_id") == "priority") & (pl.col("geo_level") == "county") & (pl.col("tier") == 1)
    return set(scores.filter(first & (pl.col("tier_probability") >= SURE))["geo_id"])


def _newest(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("vintage") == pl.col("vintage").max())


def _listed(providers: pl.DataFrame, ids: pl.DataFrame, needy: set[str]) -> pl.DataFrame:
    """How many providers a list names for each service and county."""
    grid = ids.join(pl.DataFrame({"service": list(SERVICES)}), how="cross")
    has_list = providers.height > 0
    listed = _newest(providers)
    found = listed.group_by("geo_id", "service").agg(
        value=pl.col("provider").n_unique(), min_age=pl.col("min_age").min(), max_age=pl.col("max_age").max()
    )
    told = grid.join(found, on=["geo_id", "service"], how="left").with_columns(
        value=pl.col("value").fill_null(0) if has_list else pl.lit(None)
    )
    is_needy = pl.col("geo_id").is_in(sorted(needy))
    ages = pl.format("ages {} to {}", "min_age", "max_age")
    note = (
        pl.when(pl.lit(not has_list))
        .then(pl.lit(NO_LIST))
        .when((pl.col("value") == 0) & is_needy)
        .then(pl.lit(GAP))
        .when(pl.col("value") == 0)
        .then(pl.lit(NO_SERVICE))
        .otherwise(pl.concat_str(pl.lit("listed"), ages, separator="; ", ignore_nulls=True))
    )
    return told.with_columns(item_id=pl.format("listed_{}_count", "service"), note=note, period=_vintage(listed))


def _vintage(frame: pl.DataFrame) -> pl.Expr:
    return pl.lit(frame["vintage"].max(), dtype=pl.String)


def _beds(providers: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """Beds of the services that serve a county; a service that serves several counties stands whole in each."""
    listed = _newest(providers)
    frames = []
    for name in BEDS:
        known = listed.filter(pl.col("beds_count").is_not_null())
        sums = known.group_by("geo_id").agg(
            value=pl.col(name).sum(), silent=pl.col(name).is_null().sum(), shared=(pl.col("counties_count") > 1).any()
        )
        text = pl.concat_str(
            pl.lit("beds as listed, not beds that are free"),
            pl.when(pl.col("shared")).then(pl.lit("shared with other counties: never add over counties")),
            pl.when(pl.col("silent") > 0).then(pl.format("{} services do not say", "silent")),
            separator="; ",
            ignore_nulls=True,
        )
        value, note = pl.col("value").fill_null(0), pl.when(pl.col("silent").is_null()).then(pl.lit("no listed bed"))
        rows = ids.join(sums, on="geo_id", how="left").with_columns(
            item_id=pl.lit(f"listed_{name}"),
            value=value if providers.height else pl.lit(None),
            note=note.otherwise(text) if providers.height else pl.lit(NO_LIST),
            period=_vintage(listed),
        )
        frames.append(_found(rows))
    return pl.concat(frames)


def _granted(grants: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """How many grants of the fund serve a county, by its lines."""
    grid = ids.join(pl.DataFrame({"programme_line": list(LINES)}), how="cross")
    listed = _newest(grants)
    found = listed.group_by("geo_id", "programme_line").agg(value=pl.col("grant_id").n_unique())
    has_list = grants.height > 0
    return grid.join(found, on=["geo_id", "programme_line"], how="left").with_columns(
        item_id=pl.format("granted_{}_count", "programme_line"),
        value=pl.col("value").fill_null(0) if has_list else pl.lit(None),
        note=pl.lit("grants in the fund's list; one of several counties counts in each" if has_list else NO_LIST),
        period=_vintage(listed),
    )


def _institutions(tables: Mapping[str, pl.DataFrame], ids: pl.DataFrame) -> pl.DataFrame:
    """Schools of grades 6 to 12 and agencies by county; where no directory is at hand, schools of all grades."""
    schools, elsi = _newest(tables[SCHOOLS]), _newest(tables[ELSI])
    if schools.height:
        chosen = schools.filter(is_open() & is_middle_or_high())
        note = "open middle and high schools that stand in the county"
    else:
        chosen = elsi
        note = "schools of all grades: the file at hand has neither level nor grades"
    districts = _newest(tables[DISTRICTS])
    told = "agencies with their office in the county; their pupils may live elsewhere"
    frames = []
    for item, frame, text in (
        ("middle_high_schools_count", chosen, note),
        ("districts_count", districts, told),
    ):
        counts = frame.filter(pl.col("county_id").is_not_null()).group_by(geo_id="county_id").len("value")
        has_any = frame.height > 0
        rows = ids.join(counts, on="geo_id", how="left").with_columns(
            item_id=pl.lit(item),
            value=pl.col("value").fill_null(0) if has_any else pl.lit(None),
            note=pl.lit(text if has_any else "no directory at hand"),
            period=pl.lit(frame["period"].max(), dtype=pl.String),
        )
        frames.append(_found(rows))
    return pl.concat(frames)
