"""Foster care: rates by county where a state publishes them, counts and disproportionality by state."""

import polars as pl

from models.indicators.indicator import AbsentError, Indicator, Inputs, framed, indicator

COUNT, RATE = "core.foster_county_count", "core.foster_county_rate"
AGE_SEX, BY_RACE = "core.census_pep_county_age_sex", "core.census_pep_county_race"
AFCARS, AGING_OUT = "core.acf_afcars_state", "core.acf_cwo_state"
CHILDREN = ("0-4", "5-13", "14-17")
"""Age bands that make up the population under 18."""
UNDER_20 = ("0-4", "5-9", "10-14", "15-19")
"""The bands of the estimates by race, which have none that ends at 17."""
SAME_YEARS = 2
"""Years by which a population may be older than the children whom it is set against."""

_RISK = "Involvement of child protection recurs as a risk factor in Franchino-Olsen 2019, 10.1177/1524838018821956."
_BIAS = (
    "States and their documents define and count foster care in their own ways: compare inside one state. A rate tells "
    "what agencies do as well as what families go through. Where two documents give the same year, the one that knows "
    "more counties is taken. Suppressed counts are missing."
)
_FILE = "foster_county/2025/county_foster_care_MO_2024.csv"
_AFCARS = "US Department of Health and Human Services, Children's Bureau, AFCARS."


def garwood(count: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Exact 90 % bounds of the expectation behind a Poisson count (Garwood 1936, Biometrika 28:437).

    Args:
        count: zero or more, null where there is none.

    Returns:
        Lower and upper bounds, null with the count; the lower one of a zero is 0.
    """
    from scipy.special import gammaincinv

    n = count.cast(pl.Float64)
    lower = pl.Series(gammaincinv(n.fill_null(1.0).to_numpy(), 0.05)).zip_with(n.fill_null(0.0) > 0, n * 0.0)
    upper = pl.Series(gammaincinv(n.fill_null(1.0).to_numpy() + 1.0, 0.95))
    is_null = n.is_null()
    return lower.set(is_null, None), upper.set(is_null, None)


def children(age_sex: pl.DataFrame) -> pl.DataFrame:
    """People under 18 by county and year, of the newest vintage: geo_id, year, population, of (the file)."""
    return (
        age_sex.filter(pl.col("age_band").is_in(CHILDREN) & (pl.col("basis") == "estimate"))
        .sort("vintage")
        .unique(["geo_id", "period", "age_band"], keep="last")
        .group_by("geo_id", pl.col("period").cast(pl.Int64).alias("year"))
        .agg(population=pl.sum("count"), of=pl.col("snapshot_sha256").max(), n=pl.len())
        .filter(pl.col("n") == len(CHILDREN))
        .select("geo_id", "year", "population", "of")
        .sort("year", "geo_id")
    )


def _one_document(figures: pl.DataFrame, value: str) -> pl.DataFrame:
    """Each county and year once: of the document that knows most counties of the state, then by name."""
    by = ["state_id", "period", "source_document", "vintage"]
    best = (
        figures.group_by(by)
        .agg(known=pl.col(value).count())
        .sort("known", "vintage", "source_document", descending=[True, True, False])
        .unique(["state_id", "period"], keep="first", maintain_order=True)
    )
    return figures.join(best.select(by), on=by, how="semi").sort("period", "geo_id")


def _of_counties(table: pl.DataFrame, measure: str) -> pl.DataFrame:
    return table.filter(
        (pl.col("geo_level") == "county") & (pl.col("measure") == measure) & (pl.col("category") == "Total")
    ).with_columns(year=pl.col("period").str.tail(4).cast(pl.Int64))


def _from_counts(counts: pl.DataFrame, population: pl.DataFrame) -> pl.DataFrame:
    """Children over the population under 18 of the same year or of one shortly before."""
    listed = _one_document(counts, "count").sort("year")
    both = listed.join_asof(
        population, on="year", by="geo_id", strategy="backward", tolerance=SAME_YEARS, check_sortedness=False
    ).filter(pl.col("population") > 0)
    lower, upper = garwood(both["count"])
    thousands = pl.col("population") / 1000
    return both.select(
        "geo_id",
        "period",
        "vintage",
        "year",
        value=pl.col("count") / thousands,
        value_lower=lower / thousands,
        value_upper=upper / thousands,
        note=pl.when(pl.col("count").is_null())
        .then(pl.format("{}: the count is suppressed or not given", "source_document"))
        .otherwise(pl.col("source_document")),
        snapshot_sha256=pl.concat_str("snapshot_sha256", "of", separator=","),
    )


def _from_rates(rates: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """Rates as published, with the chance of the count that the same document gives."""
    listed = _one_document(rates.filter(pl.col("unit") == "per_1000"), "rate")
    behind = counts.select("geo_id", "period", "count", "state_id", vintage="vintage").unique(
        ["geo_id", "period", "vintage"], keep="none"
    )
    both = listed.join(behind, on=["geo_id", "period", "vintage"], how="left", maintain_order="left")
    lower, upper = garwood(both["count"])
    # Of a count of zero the published rate is zero too, and says nothing of its population: no interval.
    each = pl.when(pl.col("count") > 0).then(pl.col("rate") / pl.col("count"))
    return both.select(
        "geo_id",
        "period",
        "vintage",
        "year",
        "snapshot_sha256",
        value="rate",
        value_lower=lower * each,
        value_upper=upper * each,
        note=pl.when(pl.col("rate").is_null())
        .then(pl.format("{}: no rate is given", "source_document"))
        .otherwise(pl.col("source_document")),
    )


def county_rates(tables: Inputs, measure: str) -> pl.DataFrame:
    """Rates per 1,000 people under 18 by county and year, from counts, else as published.

    Args:
        tables: the tables by key.
        measure: `entries` or `in_care`.

    Returns:
        Rows as `FRAME` declares, a period the last four digits of the publisher's.

    Raises:
        AbsentError: no landed file has the measure by county with a population to set it against.
    """
    counts, rates = (_of_counties(tables[key], measure) for key in (COUNT, RATE))
    computed = _from_counts(counts, children(tables[AGE_SEX]))
    published = _from_rates(rates, counts).join(computed.select("geo_id", "year"), on=["geo_id", "year"], how="anti")
    frame = pl.concat([computed, published.select(computed.columns)])
    if frame.is_empty():
        raise AbsentError(f"no table of a state or of KIDS COUNT gives {measure} of foster care by county", _FILE)
    return framed(frame.with_columns(source_period="period", period=pl.col("year").cast(pl.String)))


@indicator(
    id="foster_entry_per_1000",
    title="Children who enter foster care",
    topic="family_instability",
    definition="Children who enter foster care in a year for 1,000 people under 18.",
    universe="People under 18 of the county.",
    numerator="foster_county_count entries; else foster_county_rate entries, as published",
    denominator="census_pep_county_age_sex 0-4, 5-13 and 14-17",
    direction=+1,
    unit="per_1000",
    error="poisson",
    tables=(COUNT, RATE, AGE_SEX),
    reference=_RISK,
    bias=_BIAS,
)
def foster_entry_per_1000(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Entries show what happens now; a state's figure is never divided among its counties."""
    return county_rates(tables, "entries")


@indicator(
    id="foster_in_care_per_1000",
    title="Children in foster care",
    topic="family_instability",
    definition="Children in foster care on the last day of a year for 1,000 people under 18.",
    universe="People under 18 of the county.",
    numerator="foster_county_count in_care; else foster_county_rate in_care, as published",
    denominator="census_pep_county_age_sex 0-4, 5-13 and 14-17",
    direction=+1,
    unit="per_1000",
    error="poisson",
    tables=(COUNT, RATE, AGE_SEX),
    reference=_RISK,
    bias=f"{_BIAS} Counts young people over 17 who are still in care; the county is that of the court or the case.",
)
def foster_in_care_per_1000(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Stays differ in length from place to place: entries are the cleaner sign of instability."""
    return county_rates(tables, "in_care")


def _newest_by_state(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows as `FRAME` declares from one figure a state, year and vintage: the newest vintage of each."""
    newest = frame.sort("vintage").unique(["geo_id", "period"], keep="last").sort("geo_id", "period")
    return framed(
        newest.select(
            "geo_id",
            "vintage",
            "snapshot_sha256",
            period=pl.col("period").str.tail(4),
            source_period=pl.col("period"),
            value="count",
            note=pl.lit("a full count by the state's own records"),
        ),
        "state",
    )


@indicator(
    id="children_in_care_count",
    title="Children in foster care",
    topic="context",
    definition="Children in foster care on 30 September, the last day of the federal fiscal year.",
    universe="Children in the state's custody.",
    numerator="AFCARS Number in foster care on September 30",
    direction=0,
    unit="count",
    error="none",
    native_level="state",
    tables=(AFCARS,),
    reference=_AFCARS,
)
def children_in_care_count(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Known only for whole states: never allocated to counties."""
    care = tables[AFCARS].filter(
        (pl.col("measure") == "Number in foster care on September 30") & (pl.col("geo_level") == "state")
    )
    if care.is_empty():
        raise AbsentError(
            "no AFCARS numbers at a glance were landed", "acf_afcars/2021/afcars_fy2021_glance_by_state.csv"
        )
    return _newest_by_state(care)


@indicator(
    id="aged_out_count",
    title="Young people who age out of foster care",
    topic="context",
    definition="Children who leave foster care by emancipation in a federal fiscal year.",
    universe="Children in the state's custody.",
    numerator="Child Welfare Outcomes Number of Children Exiting to Emancipation",
    direction=0,
    unit="count",
    error="none",
    native_level="state",
    tables=(AGING_OUT,),
    reference="US Department of Health and Human Services, Children's Bureau, Child Welfare Outcomes.",
    bias="Those who leave without a permanent home, by the state's own records. Discharged runaways are not in it.",
)
def aged_out_count(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Known only for whole states: never allocated to counties."""
    exits = tables[AGING_OUT].filter(
        (pl.col("measure") == "Number of Children Exiting to Emancipation") & (pl.col("geo_level") == "state")
    )
    if exits.is_empty():
        raise AbsentError("no table of exits to emancipation was landed", "acf_cwo/2024/foster_care_aging_out_2024.csv")
    return _newest_by_state(exits)


def state_children(by_race: pl.DataFrame, age_sex: pl.DataFrame) -> pl.DataFrame:
    """People under 20 by state and year, Black alone and all others, where every county of the state is there.

    Args:
        by_race: rows of core.census_pep_county_race, which is fetched for a region and may lack a state's counties.
        age_sex: rows of core.census_pep_county_age_sex, whose counties say which there are.

    Returns:
        geo_id (state), year, black, others, of (the file).
    """
    newest = (
        by_race.filter(
            pl.col("age_band").is_in(UNDER_20)
            & (pl.col("basis") == "estimate")
            & pl.col("race_group").is_in(["all", "black_alone"])
        )
        .sort("vintage")
        .unique(["geo_id", "period", "age_band", "race_group"], keep="last")
    )
    state = pl.col("geo_id").str.head(2)
    listed = age_sex.group_by(state.alias("state")).agg(n_listed=pl.col("geo_id").n_unique())
    people = pl.col("male_count") + pl.col("female_count")
    return (
        newest.group_by(state.alias("state"), "period")
        .agg(
            n_there=pl.col("geo_id").n_unique(),
            everybody=people.filter(pl.col("race_group") == "all").sum(),
            black=people.filter(pl.col("race_group") == "black_alone").sum(),
            of=pl.col("snapshot_sha256").unique().sort().str.join(","),
        )
        .join(listed, on="state")
        .filter(pl.col("n_there") == pl.col("n_listed"))
        .select(
            geo_id="state",
            year=pl.col("period").cast(pl.Int64),
            black="black",
            others=pl.col("everybody") - pl.col("black"),
            of="of",
        )
        .sort("geo_id", "year")
    )


_RACES = (
    "American Indian/Alaska Native",
    "Asian",
    "Black or African American",
    "Hispanic (of any race)",
    "Native Hawaiian/Other Pacific Islander",
    "Two or More Races",
    "White",
)
"""Groups of AFCARS that do not overlap; a child of unknown race is in none."""


def _in_care_by_race(afcars: pl.DataFrame) -> pl.DataFrame:
    """geo_id, vintage, period, year, snapshot_sha256, black, others, unknown (share) of children in care by state."""
    care = afcars.filter((pl.col("section") == "in_care") & (pl.col("geo_level") == "state"))
    group, n = pl.col("measure"), pl.col("count")
    return (
        care.sort("vintage")
        .unique(["geo_id", "period", "measure"], keep="last")
        .group_by("geo_id", "period")
        .agg(
            pl.col("vintage").max(),
            pl.col("snapshot_sha256").max(),
            black=n.filter(group == "Black or African American").sum(),
            known=n.filter(group.is_in(_RACES)).sum(),
            nobody=n.filter(group == "Unknown/Unable to Determine").sum(),
            has_both=group.is_in(["Black or African American", "White"]).sum() == 2,
            is_whole=n.filter(group.is_in(_RACES)).is_not_null().all(),
        )
        .filter(pl.col("has_both") & pl.col("is_whole"))
        .with_columns(
            year=pl.col("period").str.tail(4).cast(pl.Int64),
            others=pl.col("known") - pl.col("black"),
            unknown=pl.col("nobody") / (pl.col("known") + pl.col("nobody")),
        )
        .sort("geo_id", "year")
    )


@indicator(
    id="black_children_in_care_ratio",
    title="Disproportionality of Black children in foster care",
    topic="context",
    definition="Share of Black children among children in foster care whose race is known over their share of the "
    "population under 20.",
    universe="Children in the state's custody on 30 September.",
    numerator="AFCARS in care: Black or African American, over all of known race",
    denominator="census_pep_county_race summed over the state's counties: under 20, Black alone over all",
    direction=0,
    unit="ratio",
    error="poisson",
    native_level="state",
    tables=(AFCARS, BY_RACE, AGE_SEX),
    compares_groups=True,
    reference="Hill 2006, Synthesis of Research on Disproportionality in Child Welfare.",
    bias="Describes a system and no group. AFCARS counts Hispanic children apart, the population estimates count Black "
    "Hispanic children as Black, so that the ratio is slightly too low; care ends at 20, the population at 19. "
    "Children of unknown race are left out, as if they were like the others.",
)
def black_children_in_care_ratio(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Of whole states only; 1 is proportionate. The interval is of chance, on the log scale."""
    from models.engine.disproportionality import disproportionality

    care = _in_care_by_race(tables[AFCARS])
    if care.is_empty():
        raise AbsentError(
            "no AFCARS distribution by race was landed", "acf_afcars/2021/afcars_fy2021_distributions_by_state.csv"
        )
    population = state_children(tables[BY_RACE], tables[AGE_SEX])
    both = care.join(population, on=["geo_id", "year"], suffix="_people")
    if both.is_empty():
        raise AbsentError(
            "no state has population estimates by race of all its counties for the year of its children in care",
            "census_pep/2025/cc-est2025-alldata.csv",
        )
    long = pl.concat(
        both.select("geo_id", "year", group=pl.lit(name), counted=name, people=f"{name}_people")
        for name in ("black", "others")
    ).with_columns(area=pl.format("{} {}", "geo_id", "year"))
    found = disproportionality(
        long, area="area", group="group", counted="counted", population="people", reference="others"
    ).filter(pl.col("group") == "black")
    return framed(
        both.join(found, on=["geo_id", "year"]).select(
            "geo_id",
            "vintage",
            period=pl.col("year").cast(pl.String),
            source_period=pl.col("period"),
            value=pl.col("index"),
            value_lower=pl.col("index_lower"),
            value_upper=pl.col("index_upper"),
            note=pl.col("index_reason").fill_null(
                pl.format("race unknown for {} % of children in care", (100 * pl.col("unknown")).round(1))
            ),
            snapshot_sha256=pl.concat_str("snapshot_sha256", "of", separator=","),
        ),
        "state",
    )
