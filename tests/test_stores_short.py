"""Tables of a large schema are read and written under short names, and run under their own."""

from __future__ import annotations

import pytest

from stores.short import short_names, shortened, whole_names
from stores.values import ColumnInfo, Schema, TableInfo


def table(name: str, *columns: str, **references: str) -> TableInfo:
    return TableInfo(name, tuple(ColumnInfo(c, "TEXT", references=references.get(c)) for c in (*columns, *references)))


SCHEMA = Schema(
    "sqlite",
    (
        table("zoo_night_animals", "id", "name", keeper="zoo_night_keepers.id"),
        table("zoo_night_keepers", "id", "name"),
        table("zoo_night_orders", "id"),
        table("shop_orders", "id"),
        table("shop_items", "id"),
        table("shop_2024", "id"),
        table("keeper_log", "id"),
        table("keeper_key", "id"),
        table("plain", "id"),
    ),
    "f",
)


def test_a_prefix_of_three_is_taken_off_where_the_rest_is_one_tables() -> None:
    assert short_names(SCHEMA) == {"zoo_night_animals": "animals", "zoo_night_keepers": "keepers", "shop_items": "items"}


def test_keys_lead_to_the_short_names_and_the_whole_ones_stand_beside() -> None:
    animals = shortened(SCHEMA.tables, short_names(SCHEMA))[0]
    assert (animals.name, animals.comment, animals.columns[2].references) == ("animals", "zoo_night_animals", "keepers.id")


@pytest.mark.parametrize(
    ("written", "run"),
    [
        ("SELECT animals.name FROM animals", "SELECT animals.name FROM zoo_night_animals AS animals"),
        (
            "SELECT a.name FROM Animals AS a JOIN keepers ON a.keeper = keepers.id",
            "SELECT a.name FROM zoo_night_animals AS a JOIN zoo_night_keepers AS keepers ON a.keeper = keepers.id",
        ),
        ("WITH items AS (SELECT id FROM plain) SELECT id FROM items", None),
        ("SELECT id FROM orders", None),  # of two
        ("SELECT id FROM zoo_night_animals", None),
        ("SELECT name FROM animals GROUP BY zoo_night_animals.name", "SELECT name FROM zoo_night_animals AS animals GROUP BY animals.name"),
        ("SELECT FROM WHERE animals", None),
    ],
)
def test_a_short_name_is_put_back(written: str, run: str | None) -> None:
    assert whole_names(written, short_names(SCHEMA), "sqlite") == (run or written)
