"""Members and their bikes."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date

from assistant.sample import catalogue, names
from assistant.sample.dice import Dice

FIRST_DAY = date(2023, 1, 1)
LAST_DAY = date(2026, 10, 31)
MEMBERS = 1800
# The handbook lets a membership end only with a quarter, so the day of leaving is the last day of one.
QUARTER_ENDS = ((3, 31), (6, 30), (9, 30), (12, 31))


@dataclass(frozen=True)
class Member:
    """A row of `members`; `left_on` is None for who is still a member."""

    member_id: int
    first_name: str
    last_name: str
    email: str
    city: str
    tier: str
    joined_on: date
    left_on: date | None

    def belongs_on(self, day: date) -> bool:
        """Whether they were a member on that day."""
        return self.joined_on <= day and (self.left_on is None or day <= self.left_on)


@dataclass(frozen=True)
class Bike:
    """A row of `bikes`."""

    bike_id: int
    member_id: int
    brand: str
    bike_type: str
    colour: str
    purchase_year: int


def members(dice: Dice) -> list[Member]:
    """The members in the order in which they joined, no two with the same name."""
    joined = sorted(_joined_on(dice) for _ in range(MEMBERS))
    taken: set[tuple[str, str]] = set()
    rows = []
    for number, day in enumerate(joined, start=1):
        name = _new_name(dice, taken)
        email = _ascii(f"{name[0]}.{name[1]}").lower() + "@example.org"
        city = dice.weighted(names.CITIES)
        tier = dice.weighted([(tier.name, tier.weight) for tier in catalogue.TIERS])
        rows.append(Member(number, *name, email, city, tier, day, _left_on(dice, day)))
    return rows


def bikes(dice: Dice, owners: list[Member]) -> list[Bike]:
    """One bike for most members, up to four for a family."""
    rows: list[Bike] = []
    for owner in owners:
        most = 4 if owner.tier == "Family" else 2
        for _ in range(max(1, dice.below(most + 1))):
            kind = dice.weighted(names.BIKE_TYPES)
            year = dice.between(2012, owner.joined_on.year)
            rows.append(Bike(len(rows) + 1, owner.member_id, dice.pick(names.BRANDS), kind, dice.pick(names.COLOURS), year))
    return rows


def _joined_on(dice: Dice) -> date:
    """A third joined in the founding months; afterwards more join in spring than in winter."""
    if dice.chance(0.33):
        return dice.day(FIRST_DAY, date(2023, 4, 30))
    day = dice.day(FIRST_DAY, LAST_DAY)
    if day.month in (11, 12, 1, 2) and dice.chance(0.5):
        return dice.day(date(day.year, 3, 1), date(day.year, 6, 30))
    return day


def _left_on(dice: Dice, joined: date) -> date | None:
    """The end of a quarter at least half a year after joining, for about one in eighteen."""
    if not dice.chance(0.065):
        return None
    ends = [date(year, *end) for year in range(2023, 2027) for end in QUARTER_ENDS]
    possible = [end for end in ends if (end - joined).days >= 180 and end <= LAST_DAY]
    return dice.pick(possible) if possible else None


def _new_name(dice: Dice, taken: set[tuple[str, str]]) -> tuple[str, str]:
    while (name := (dice.pick(names.FIRST_NAMES), dice.pick(names.LAST_NAMES))) in taken:
        pass
    taken.add(name)
    return name


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
