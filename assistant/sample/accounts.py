"""Courses, who booked them, and every invoice: for repairs, memberships and courses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from assistant.sample.catalogue import COURSES, MECHANICS, PAYMENT_DAYS, TIERS
from assistant.sample.dice import Dice, add_months
from assistant.sample.people import FIRST_DAY, LAST_DAY, Member
from assistant.sample.repairs import Repair, RepairPart


@dataclass(frozen=True)
class HeldCourse:
    """A row of `courses`: one date of one course; price in cents."""

    course_id: int
    title: str
    mechanic_id: int
    held_on: date
    price: int
    seats: int


@dataclass(frozen=True)
class Booking:
    """A row of `course_bookings`."""

    booking_id: int
    course_id: int
    member_id: int
    booked_on: date
    status: str


@dataclass(frozen=True)
class Invoice:
    """A row of `invoices`; amount in cents."""

    invoice_id: int
    member_id: int
    kind: str
    repair_id: int | None
    booking_id: int | None
    issued_on: date
    due_on: date
    amount: int
    status: str
    paid_on: date | None
    payment_method: str | None


@dataclass(frozen=True)
class _Claim:
    """What an invoice will be written for."""

    issued_on: date
    member_id: int
    kind: str
    amount: int
    repair_id: int | None = None
    booking_id: int | None = None


def courses(dice: Dice) -> list[HeldCourse]:
    """Every course on a Saturday of its months, in the order of the dates."""
    dates = []
    for year in range(FIRST_DAY.year, LAST_DAY.year + 1):
        for course in COURSES:
            for month in course.months:
                first = date(year, month, 1)
                day = first + timedelta(days=(5 - first.weekday()) % 7 + 7 * dice.below(4))
                if day <= LAST_DAY:
                    dates.append((day, course, dice.between(1, len(MECHANICS))))
    dates.sort(key=lambda held: (held[0], held[1].title))
    return [HeldCourse(n, course.title, teacher, day, course.price, course.seats) for n, (day, course, teacher) in enumerate(dates, start=1)]


def bookings(dice: Dice, held: list[HeldCourse], people: list[Member]) -> list[Booking]:
    """From a third of the seats to all of them; those who cancel free their seat."""
    rows: list[Booking] = []
    for course in held:
        present = [member for member in people if member.belongs_on(course.held_on)]
        seated = {}
        for _ in range(dice.between(course.seats // 3 + 1, course.seats)):
            member = dice.pick(present)
            booked = course.held_on - timedelta(days=dice.between(3, 40))
            seated[member.member_id] = max(booked, member.joined_on)
        for member_id, booked in seated.items():
            status = dice.weighted((("attended", 86), ("cancelled", 9), ("no-show", 5)))
            rows.append(Booking(len(rows) + 1, course.course_id, member_id, booked, status))
    return rows


def invoices(
    dice: Dice, people: list[Member], done: list[Repair], used: list[RepairPart], held: list[HeldCourse], booked: list[Booking]
) -> list[Invoice]:
    """All invoices, numbered by the day they were issued."""
    claims = [*_for_memberships(people), *_for_repairs(done, used), *_for_courses(held, booked)]
    claims.sort(key=lambda claim: (claim.issued_on, claim.member_id, claim.kind))
    return [_invoice(dice, number, claim) for number, claim in enumerate(claims, start=1)]


def _for_memberships(people: list[Member]) -> list[_Claim]:
    """The year's fee on the day of joining and on each anniversary while they are members."""
    fee = {tier.name: tier.yearly_fee for tier in TIERS}
    claims = []
    for member in people:
        for years in range(LAST_DAY.year - FIRST_DAY.year + 1):
            day = add_months(member.joined_on, 12 * years)
            if day <= LAST_DAY and member.belongs_on(day):
                claims.append(_Claim(day, member.member_id, "membership", fee[member.tier]))
    return claims


def _for_repairs(done: list[Repair], used: list[RepairPart]) -> list[_Claim]:
    """Labour and parts on the day the repair is finished; a warranty repair costs nothing and gets none."""
    material: dict[int, int] = {}
    for part in used:
        material[part.repair_id] = material.get(part.repair_id, 0) + part.quantity * part.unit_price
    return [
        _Claim(repair.finished_on, repair.member_id, "repair", repair.labour_price + material.get(repair.repair_id, 0), repair_id=repair.repair_id)
        for repair in done
        if repair.finished_on and not repair.is_warranty
    ]


def _for_courses(held: list[HeldCourse], booked: list[Booking]) -> list[_Claim]:
    """Who attended or did not come without a word pays; who cancelled does not."""
    course = {row.course_id: row for row in held}
    return [
        _Claim(course[row.course_id].held_on, row.member_id, "course", course[row.course_id].price, booking_id=row.booking_id)
        for row in booked
        if row.status != "cancelled"
    ]


def _invoice(dice: Dice, number: int, claim: _Claim) -> Invoice:
    """One invoice; most are paid within the term, some late, a few never."""
    paid_on, method = None, None
    if dice.chance(0.99):
        at_the_counter = claim.kind != "membership" and dice.chance(0.7)
        wait = dice.below(2) if at_the_counter else dice.between(2, 24 if dice.chance(0.25) else PAYMENT_DAYS)
        method = dice.weighted((("card", 7), ("cash", 3))) if at_the_counter else "bank transfer"
        paid_on = claim.issued_on + timedelta(days=wait)
    if paid_on is None or paid_on > LAST_DAY:
        paid_on, method = None, None
    status = "paid" if paid_on else "unpaid"
    due = claim.issued_on + timedelta(days=PAYMENT_DAYS)
    return Invoice(number, claim.member_id, claim.kind, claim.repair_id, claim.booking_id, claim.issued_on, due, claim.amount, status, paid_on, method)
