"""The sample database: a bicycle-repair cooperative from 2023-01-01 to 2026-10-31, the same rows every time."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

from assistant.sample import accounts, catalogue, people, repairs
from assistant.sample.dice import Dice

SEED = 2023
CENTS = {"price", "labour_price", "unit_price", "amount"}

SCHEMA = """
CREATE TABLE members (
    member_id INTEGER PRIMARY KEY,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE,
    city TEXT NOT NULL,
    tier TEXT NOT NULL,
    joined_on DATE NOT NULL,
    left_on DATE
);
CREATE TABLE bikes (
    bike_id INTEGER PRIMARY KEY,
    member_id INTEGER NOT NULL REFERENCES members (member_id),
    brand TEXT NOT NULL,
    bike_type TEXT NOT NULL,
    colour TEXT NOT NULL,
    purchase_year INTEGER NOT NULL
);
CREATE TABLE mechanics (
    mechanic_id INTEGER PRIMARY KEY,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    speciality TEXT NOT NULL
);
CREATE TABLE suppliers (
    supplier_id INTEGER PRIMARY KEY,
    supplier_name TEXT NOT NULL UNIQUE,
    city TEXT NOT NULL,
    delivery_days INTEGER NOT NULL
);
CREATE TABLE parts (
    part_id INTEGER PRIMARY KEY,
    part_name TEXT NOT NULL UNIQUE,
    category TEXT NOT NULL,
    supplier_id INTEGER NOT NULL REFERENCES suppliers (supplier_id),
    price REAL NOT NULL,
    stock INTEGER NOT NULL,
    reorder_level INTEGER NOT NULL,
    warranty_months INTEGER NOT NULL
);
CREATE TABLE repairs (
    repair_id INTEGER PRIMARY KEY,
    member_id INTEGER NOT NULL REFERENCES members (member_id),
    bike_id INTEGER NOT NULL REFERENCES bikes (bike_id),
    mechanic_id INTEGER NOT NULL REFERENCES mechanics (mechanic_id),
    service TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('finished', 'in progress', 'waiting for parts', 'cancelled')),
    received_on DATE NOT NULL,
    finished_on DATE,
    labour_price REAL NOT NULL,
    is_warranty INTEGER NOT NULL CHECK (is_warranty IN (0, 1)),
    warranty_until DATE
);
CREATE TABLE repair_parts (
    repair_id INTEGER NOT NULL REFERENCES repairs (repair_id),
    part_id INTEGER NOT NULL REFERENCES parts (part_id),
    quantity INTEGER NOT NULL,
    unit_price REAL NOT NULL,
    PRIMARY KEY (repair_id, part_id)
);
CREATE TABLE courses (
    course_id INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    mechanic_id INTEGER NOT NULL REFERENCES mechanics (mechanic_id),
    held_on DATE NOT NULL,
    price REAL NOT NULL,
    seats INTEGER NOT NULL
);
CREATE TABLE course_bookings (
    booking_id INTEGER PRIMARY KEY,
    course_id INTEGER NOT NULL REFERENCES courses (course_id),
    member_id INTEGER NOT NULL REFERENCES members (member_id),
    booked_on DATE NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('attended', 'cancelled', 'no-show')),
    UNIQUE (course_id, member_id)
);
CREATE TABLE invoices (
    invoice_id INTEGER PRIMARY KEY,
    member_id INTEGER NOT NULL REFERENCES members (member_id),
    kind TEXT NOT NULL CHECK (kind IN ('repair', 'membership', 'course')),
    repair_id INTEGER REFERENCES repairs (repair_id),
    booking_id INTEGER REFERENCES course_bookings (booking_id),
    issued_on DATE NOT NULL,
    due_on DATE NOT NULL,
    amount REAL NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('paid', 'unpaid')),
    paid_on DATE,
    payment_method TEXT
);
"""

INDEXES = """
CREATE INDEX members_by_left_on ON members (left_on);
CREATE INDEX bikes_by_member ON bikes (member_id);
CREATE INDEX parts_by_supplier ON parts (supplier_id);
CREATE INDEX repairs_by_member ON repairs (member_id, received_on);
CREATE INDEX repairs_by_bike ON repairs (bike_id);
CREATE INDEX repairs_by_mechanic ON repairs (mechanic_id);
CREATE INDEX repair_parts_by_part ON repair_parts (part_id);
CREATE INDEX course_bookings_by_member ON course_bookings (member_id);
CREATE INDEX invoices_by_member ON invoices (member_id);
CREATE INDEX invoices_by_issued_on ON invoices (issued_on);
CREATE INDEX invoices_by_repair ON invoices (repair_id);
CREATE INDEX invoices_by_booking ON invoices (booking_id);
"""


def rows(seed: int = SEED) -> dict[str, list[tuple[Any, ...]]]:
    """Every table's rows as SQLite stores them: dates as ISO text, money in euros."""
    dice = Dice(seed)
    owners = people.members(dice)
    garage = people.bikes(dice, owners)
    shelf = repairs.parts(dice)
    done = repairs.repairs(dice, owners, garage)
    used = repairs.parts_used(dice, done, shelf)
    held = accounts.courses(dice)
    booked = accounts.bookings(dice, held, owners)
    billed = accounts.invoices(dice, owners, done, used, held, booked)
    return {
        "members": _stored(owners),
        "bikes": _stored(garage),
        "mechanics": [(number, *mechanic) for number, mechanic in enumerate(catalogue.MECHANICS, start=1)],
        "suppliers": [(number, *supplier) for number, supplier in enumerate(catalogue.SUPPLIERS, start=1)],
        "parts": _stored(shelf),
        "repairs": _stored(done),
        "repair_parts": _stored(used),
        "courses": _stored(held),
        "course_bookings": _stored(booked),
        "invoices": _stored(billed),
    }


def create(path: Path) -> None:
    """Write the sample database to `path`, whole or not at all; what was there is replaced.

    Raises `OSError` when the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        _write(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _write(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(SCHEMA)
        for table, content in rows().items():
            marks = ", ".join("?" * len(content[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", content)
        connection.executescript(INDEXES)


def _stored(records: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Dataclasses as rows, in the order of their fields."""
    columns = [field.name for field in fields(records[0])]
    return [tuple(_cell(name, getattr(record, name)) for name in columns) for record in records]


def _cell(column: str, value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return int(value)
    return value / 100 if column in CENTS else value
