"""The county map: nothing is lost, neighbours share their border, and what cannot be told is hatched."""

import json
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from atlas.map import CLASSES, LEAST_MARK, UNSCORED, albers, class_of, county_map, draw, rings
from atlas.reading import Published
from tests.published_file import COUNTIES, A, B, C, frames, hexagon, publish

SVG = "{http://www.w3.org/2000/svg}"


def square(west: float, south: float, side: float = 1.0) -> list[np.ndarray]:
    east, north = west + side, south + side
    return rings(
        {
            "type": "Polygon",
            "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
        }
    )


def drawn(chances: dict, shapes: dict | None = None, **more) -> ElementTree.Element:
    shapes = shapes or {name: square(-90 + at, 38) for at, name in enumerate(chances)}
    return ElementTree.fromstring(draw(shapes, chances, {}, title="A title", notes=["A note."], **more))


def areas(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {group.get("data-area"): group for group in root.iter(f"{SVG}g") if group.get("data-area")}


def points(area: ElementTree.Element) -> set[str]:
    return set(re.findall(r"-?[\d.]+,-?[\d.]+", area.find(f"{SVG}path").get("d")))


@pytest.mark.parametrize(
    ("probability", "at"), [(1.0, 0), (0.8, 0), (0.79, 1), (0.5, 1), (0.49, 2), (0.2, 2), (0.19, 3), (0.0, 3)]
)
def test_a_class_holds_its_lower_end(probability, at):
    assert class_of(probability) is CLASSES[at]


def test_what_is_not_ranked_is_grey_and_in_the_legend_and_never_the_lowest_class():
    root = drawn({"a": None, "b": 0.0})
    assert areas(root)["a"].find(f"{SVG}path").get("fill") == UNSCORED.fill != CLASSES[-1].fill
    words = "".join(root.itertext())
    assert "not ranked" in words
    assert "not ranked" not in "".join(drawn({"a": 0.1}).itertext())


def test_only_what_cannot_be_told_is_hatched():
    found = areas(drawn({"sure": 0.9, "likely": 0.6, "unlikely": 0.3, "out": 0.1}))
    hatched = {name for name, area in found.items() if any("hatch" in p.get("fill") for p in area.iter(f"{SVG}path"))}
    assert hatched == {"likely", "unlikely"}


def test_neighbours_share_the_points_of_their_border():
    found = areas(drawn({"west": 0.1, "east": 0.1}, {"west": square(-91, 38), "east": square(-90, 38)}))
    assert len(points(found["west"]) & points(found["east"])) == 2


def test_every_area_keeps_a_mark_however_small():
    found = areas(drawn({"large": 0.1, "city": 0.9}, {"large": square(-95, 35, 6.0), "city": square(-92, 38, 0.001)}))
    assert found["city"].find(f"{SVG}circle") is not None
    assert float(found["city"].find(f"{SVG}circle").get("r")) * 2 >= LEAST_MARK
    assert found["large"].find(f"{SVG}circle") is None


def test_the_projection_keeps_areas_equal():
    # On the unit sphere a cell of longitudes dl and latitudes f1 to f2 has the area dl (sin f2 - sin f1).
    def area_of(south: float) -> float:
        edge = np.linspace(0, 1, 200)
        bottom = np.column_stack([-95 + 2 * edge, np.full(200, south)])
        top = np.column_stack([-93 - 2 * edge, np.full(200, south + 2)])
        x, y = albers(np.vstack([bottom, top]), -100, -85, 30, 45).T
        return abs(float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2)

    for south in (31.0, 42.0):
        true = math.radians(2) * (math.sin(math.radians(south + 2)) - math.sin(math.radians(south)))
        assert area_of(south) == pytest.approx(true, rel=1e-4)


def test_a_chain_of_islands_across_the_date_line_stays_together():
    east, west = rings({"type": "MultiPolygon", "coordinates": [
        [[[179.0, 52.0], [179.9, 52.0], [179.9, 53.0], [179.0, 52.0]]],
        [[[-179.9, 52.0], [-179.0, 52.0], [-179.0, 53.0], [-179.9, 52.0]]],
    ]})  # fmt: skip
    assert max(east[:, 0].max(), west[:, 0].max()) - min(east[:, 0].min(), west[:, 0].min()) < 3


def test_a_geometry_that_is_no_polygon_is_refused_and_so_is_a_map_of_nothing():
    with pytest.raises(ValueError, match="only Polygon"):
        rings(json.loads('{"type": "Point", "coordinates": [0, 0]}'))
    with pytest.raises(ValueError, match="no geometry to draw"):
        draw({}, {}, {}, title="", notes=[])


def test_the_map_of_a_file_says_what_it_is_who_is_where_and_how_sure(tmp_path):
    with Published(publish(tmp_path, frames())) as published:
        root = ElementTree.fromstring(county_map(published, outlined=[B]))
    found = areas(root)
    assert set(found) == set(COUNTIES)
    said = found[A].find(f"{SVG}title").text
    # Three counties are ranked: none of the lists is a quarter of them, so the shortest is shown.
    assert said.startswith(
        "Alder County, Nowhere: chance of being among the 5 of greatest need over 99%; rank 1 of 3, 90"
    )
    words = "".join(root.itertext())
    assert "Not for policing." in words and "Heavy border: 1 Bramble County, Nowhere." in words
    assert "SIMULATED" not in words
    assert root.get("role") == "img" and root.get("aria-labelledby") == "map-title map-note"


def test_a_simulated_map_says_so_across_itself(tmp_path):
    rows = frames()
    rows["meta.releases"][0]["is_simulated"] = True
    with Published(publish(tmp_path, rows)) as published:
        root = ElementTree.fromstring(county_map(published))
    assert "SIMULATED" in [element.text for element in root.iter(f"{SVG}text")]


def test_names_are_text_whatever_they_contain(tmp_path):
    rows = frames()
    for row in rows["risk.scores"]:
        row["geo_name"] = '<script>alert(1)</script> & "County"'
    with Published(publish(tmp_path, rows)) as published:
        text = county_map(published, outlined=[A])
    assert "<script" not in text
    assert not list(ElementTree.fromstring(text).iter(f"{SVG}script"))


def test_without_geometry_there_is_no_map_and_a_county_without_one_is_told(tmp_path):
    rows = frames()
    rows["core.geo_county"] = []
    with Published(publish(tmp_path / "none", rows)) as published:
        assert county_map(published) is None
    rows["core.geo_county"] = frames()["core.geo_county"][:2]
    with Published(publish(tmp_path / "some", rows)) as published:
        text = county_map(published)
    assert f'data-area="{C}"' not in text and "1 counties have no geometry" in text


def test_the_newest_boundaries_that_have_all_counties_are_drawn(tmp_path):
    rows = frames()
    newer = [row | {"vintage": "2024", "geometry": hexagon(-80.0, 40.0)} for row in rows["core.geo_county"][:1]]
    with Published(publish(tmp_path, rows | {"core.geo_county": [*rows["core.geo_county"], *newer]})) as published:
        assert len(areas(ElementTree.fromstring(county_map(published)))) == len(COUNTIES)
