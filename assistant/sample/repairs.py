"""Parts on the shelf, repairs through the seasons, and the parts that went into them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from assistant.sample.catalogue import (
    LABOUR_WARRANTY_MONTHS,
    MECHANICS,
    PARTS,
    PARTS_WARRANTY_MONTHS,
    SERVICES,
    SUPPLIERS,
    TIERS,
    Service,
)
from assistant.sample.dice import Dice, add_months
from assistant.sample.people import FIRST_DAY, LAST_DAY, Bike, Member

# Mean repairs on an open day, by month: few in winter, many in spring.
PER_DAY = (6, 8, 15, 21, 20, 17, 13, 13, 14, 11, 8, 6)
GROWTH = {2023: 0.7, 2024: 0.9, 2025: 1.0, 2026: 1.15}
SUNDAY, MONDAY = 6, 0


@dataclass(frozen=True)
class Part:
    """A row of `parts`; prices in cents."""

    part_id: int
    part_name: str
    category: str
    supplier_id: int
    price: int
    stock: int
    reorder_level: int
    warranty_months: int


@dataclass(frozen=True)
class Repair:
    """A row of `repairs`; `labour_price` in cents, after the discount of the member's tier."""

    repair_id: int
    member_id: int
    bike_id: int
    mechanic_id: int
    service: str
    status: str
    received_on: date
    finished_on: date | None
    labour_price: int
    is_warranty: bool
    warranty_until: date | None


@dataclass(frozen=True)
class RepairPart:
    """A row of `repair_parts`; `unit_price` in cents, 0 under warranty."""

    repair_id: int
    part_id: int
    quantity: int
    unit_price: int


def parts(dice: Dice) -> list[Part]:
    """The shelf: about one part in seven is below its reorder level, and none stands exactly at it."""
    rows = []
    for number, (category, name, price, supplier) in enumerate(PARTS, start=1):
        level = dice.between(2, 4) if category == "E-bike batteries" else dice.between(5, 20)
        stock = dice.below(level) if dice.chance(0.14) else level + 1 + dice.below(4 * level)
        rows.append(Part(number, name, category, supplier % len(SUPPLIERS) + 1, price, stock, level, PARTS_WARRANTY_MONTHS[category]))
    return rows


def repairs(dice: Dice, owners: list[Member], garage: list[Bike]) -> list[Repair]:
    """The repairs in the order in which they came in; a member brings one bike at a time."""
    owner_of = {owner.member_id: owner for owner in owners}
    # A few bikes are ridden every day, so that some members come far more often than others.
    regulars = [bike for bike in garage if bike.bike_id % 17 == 0]
    free_from: dict[int, date] = {}
    recent: deque[Repair] = deque(maxlen=250)
    rows: list[Repair] = []
    for day in _open_days():
        mean = PER_DAY[day.month - 1] * GROWTH[day.year]
        for _ in range(dice.between(int(mean * 0.5), int(mean * 1.5 + 0.5))):
            redo = dice.pick(recent) if recent and dice.chance(0.03) else None
            bike = garage[redo.bike_id - 1] if redo else dice.pick(regulars if dice.chance(0.25) else garage)
            owner = owner_of[bike.member_id]
            if free_from.get(owner.member_id, owner.joined_on) > day or not owner.belongs_on(day + timedelta(days=21)):
                continue
            if redo and not _covered(redo, day):
                continue
            row = _repair(dice, len(rows) + 1, owner, bike, day, redo)
            free_from[owner.member_id] = (row.finished_on or day) + timedelta(days=6)
            rows.append(row)
            if row.status == "finished" and not row.is_warranty:
                recent.append(row)
    return rows


def parts_used(dice: Dice, done: list[Repair], shelf: list[Part]) -> list[RepairPart]:
    """One part of each kind that the service uses up, sometimes an accessory besides."""
    of_category: dict[str, list[Part]] = {}
    for part in shelf:
        of_category.setdefault(part.category, []).append(part)
    service_of = {service.name: service for service in SERVICES}
    rows = []
    for repair in done:
        if repair.status == "cancelled":
            continue
        used = [dice.pick(of_category[category]) for category in service_of[repair.service].categories]
        if not repair.is_warranty and dice.chance(0.22):
            used.append(dice.pick(of_category["Accessories"]))
        for part in used:
            quantity = 2 if part.category in ("Brake pads", "Tyres and tubes") and dice.chance(0.4) else 1
            rows.append(RepairPart(repair.repair_id, part.part_id, quantity, 0 if repair.is_warranty else part.price))
    return rows


def _open_days() -> Iterator[date]:
    day = FIRST_DAY
    while day <= LAST_DAY:
        if _is_open(day):
            yield day
        day += timedelta(days=1)


def _is_open(day: date) -> bool:
    """Tuesday to Saturday but for the days around the new year, as the handbook says."""
    return day.weekday() not in (SUNDAY, MONDAY) and (1, 2) < (day.month, day.day) < (12, 24)


def _covered(earlier: Repair, day: date) -> bool:
    return earlier.finished_on is not None and earlier.warranty_until is not None and earlier.finished_on < day <= earlier.warranty_until


def _repair(dice: Dice, number: int, owner: Member, bike: Bike, day: date, redo: Repair | None) -> Repair:
    """One repair; `redo` is the earlier repair that it mends under warranty."""
    fitting = [(service, service.weight) for service in SERVICES if not service.bike_types or bike.bike_type in service.bike_types]
    service = next(s for s in SERVICES if s.name == redo.service) if redo else dice.weighted(fitting)
    finished = _finished_on(dice, day)
    status = "finished"
    if finished > LAST_DAY:
        status = "waiting for parts" if dice.chance(0.35) else "in progress"
    elif not redo and dice.chance(0.02):
        status = "cancelled"
    done = finished if status == "finished" else None
    price = 0 if redo or status == "cancelled" else labour_price(service, owner.tier)
    until = add_months(done, LABOUR_WARRANTY_MONTHS) if done else None
    return Repair(number, owner.member_id, bike.bike_id, dice.between(1, len(MECHANICS)), service.name, status, day, done, price, redo is not None, until)


def labour_price(service: Service, tier: str) -> int:
    """The list price less the discount of that tier, in cents, halves rounded up."""
    discount = next(t.labour_discount for t in TIERS if t.name == tier)
    return (service.labour_price * (100 - discount) + 50) // 100


def _finished_on(dice: Dice, received: date) -> date:
    """Up to nine days later, on a day when the shop is open; the smaller of two draws, so that most are quick."""
    day = received + timedelta(days=min(dice.below(10), dice.below(10)))
    while not _is_open(day):
        day += timedelta(days=1)
    return day
