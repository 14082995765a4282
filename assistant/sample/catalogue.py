"""What the cooperative offers: the constants behind the database, the same ones that the handbook states.

Money is in cents, so that sums are exact and the same on every platform.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tier:
    """A membership tier: what it costs a year, the discount on labour in percent, and its share of the members."""

    name: str
    yearly_fee: int
    labour_discount: int
    weight: int


@dataclass(frozen=True)
class Service:
    """A line of the price list. `categories` are the parts it uses up; `bike_types` is empty when it suits every bike."""

    name: str
    labour_price: int
    weight: int
    categories: tuple[str, ...] = ()
    bike_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Course:
    """A course of the programme: price in cents, seats, and the months (1 to 12) in which it is held."""

    title: str
    price: int
    seats: int
    months: tuple[int, ...]


TIERS = (
    Tier("Basic", 36_00, 0, 46),
    Tier("Plus", 72_00, 15, 27),
    Tier("Family", 108_00, 20, 15),
    Tier("Student", 24_00, 10, 12),
)

SERVICES = (
    Service("Safety check", 25_00, 12),
    Service("Basic tune-up", 45_00, 16, ("Cables",)),
    Service("Full service", 95_00, 9, ("Cables", "Chains and cassettes", "Brake pads")),
    Service("Puncture repair", 12_00, 19, ("Tyres and tubes",)),
    Service("Brake pad replacement", 22_00, 13, ("Brake pads",)),
    Service("Gear adjustment", 20_00, 10, ("Cables",)),
    Service("Chain and cassette replacement", 35_00, 9, ("Chains and cassettes",)),
    Service("Wheel truing", 24_00, 8),
    Service("Spoke replacement", 28_00, 5, ("Wheels",)),
    Service("Bottom bracket replacement", 42_00, 4, ("Bearings",)),
    Service("Headset service", 32_00, 3, ("Bearings",)),
    Service("Lights and dynamo", 38_00, 6, ("Lights",)),
    Service("Saddle and handlebar fitting", 30_00, 4, ("Saddles and grips",)),
    Service("Suspension service", 85_00, 8, ("Suspension",), ("mountain",)),
    Service("E-bike diagnosis", 49_00, 22, (), ("e-bike", "cargo")),
    Service("E-bike battery replacement", 29_00, 7, ("E-bike batteries",), ("e-bike", "cargo")),
)

LABOUR_WARRANTY_MONTHS = 6
PARTS_WARRANTY_MONTHS = {
    "Tyres and tubes": 3,
    "Brake pads": 3,
    "Chains and cassettes": 3,
    "Cables": 3,
    "Wheels": 24,
    "Bearings": 24,
    "Lights": 24,
    "Saddles and grips": 24,
    "Suspension": 24,
    "Accessories": 24,
    "E-bike batteries": 36,
}
PAYMENT_DAYS = 14

COURSES = (
    Course("Puncture and Tyres", 15_00, 10, (1, 3, 4, 5, 6, 9)),
    Course("Brakes and Gears", 35_00, 8, (2, 4, 5, 7, 9, 10)),
    Course("Wheel Building", 90_00, 6, (2, 6, 10)),
    Course("E-bike Basics", 30_00, 10, (3, 5, 8, 10)),
    Course("Winter Bike Care", 20_00, 12, (10, 11, 12)),
    Course("Build a Bike for Children", 25_00, 8, (4, 7, 8)),
)

SUPPLIERS = (
    ("Alderton Components", "Port Alder", 3),
    ("Bergmann Cycle Trade", "Grauburg", 5),
    ("Copperline Wheels", "Copper Bend", 7),
    ("Delmar Tyre Works", "Delmar Bay", 4),
    ("Eastfold Electrics", "Voltmere", 9),
    ("Fennimore Brakes", "Fennimore", 2),
    ("Grindle and Daughters", "Grindle Green", 6),
    ("Harrow Saddlery", "Harrowgate Mill", 8),
    ("Ironbridge Bearings", "Ferrum", 5),
    ("Juniper Outdoor Supply", "Juniper Falls", 4),
)

# (category, part name, price in cents, index of the supplier)
PARTS = (
    *(("Tyres and tubes", f"Inner tube {size}", price, 3) for size, price in (("20 inch", 5_90), ("24 inch", 5_90), ("26 inch", 6_50), ("28 inch", 6_90), ("29 inch", 7_50))),
    *(("Tyres and tubes", f"{model} tyre {size}", price, 3) for model, price in (("Cityline", 24_90), ("Gravelsoft", 38_50), ("Winterspike", 46_00)) for size in ("26 inch", "28 inch", "29 inch")),
    ("Tyres and tubes", "Rim tape pair", 4_20, 3),
    ("Tyres and tubes", "Tubeless sealant 250 ml", 12_90, 3),
    *(("Brake pads", name, price, 5) for name, price in (("Rim brake pads", 9_90), ("Rim brake pads, long", 12_50), ("Disc brake pads, organic", 14_90), ("Disc brake pads, sintered", 19_90), ("Disc brake pads, cargo bike", 24_50), ("Disc brake pads, road", 17_90))),
    *(("Chains and cassettes", f"Chain {n}-speed", price, 0) for n, price in ((8, 16_90), (9, 21_50), (10, 26_90), (11, 32_90), (12, 41_50))),
    *(("Chains and cassettes", f"Cassette {n}-speed", price, 0) for n, price in ((8, 24_90), (9, 29_90), (10, 39_90), (11, 54_90), (12, 79_00))),
    ("Chains and cassettes", "Singlespeed chain", 12_90, 0),
    ("Chains and cassettes", "Chain link pair", 5_50, 0),
    *(("Cables", name, price, 6) for name, price in (("Front brake cable", 4_50), ("Rear brake cable", 5_20), ("Gear cable", 4_90), ("Gear cable, extra long", 6_40), ("Hub gear cable", 7_90))),
    ("Cables", "Cable housing 3 m", 8_90, 6),
    ("Cables", "Hydraulic brake hose", 18_50, 5),
    *(("Wheels", f"Spoke set {length} mm", price, 2) for length, price in ((184, 9_90), (260, 11_90), (276, 12_50), (292, 13_90))),
    ("Wheels", "Front rim 28 inch", 39_90, 2),
    ("Wheels", "Rear rim 28 inch", 44_90, 2),
    ("Wheels", "Front wheel 26 inch", 64_00, 2),
    ("Wheels", "Rear wheel 28 inch", 89_00, 2),
    ("Wheels", "Spoke nipples bag of 36", 7_20, 2),
    *(("Bearings", name, price, 8) for name, price in (("Bottom bracket square taper", 22_90), ("Bottom bracket press fit", 36_50), ("Bottom bracket threaded", 29_90), ("Headset bearing pair", 18_90), ("Hub bearing set", 16_50), ("Pedal bearing kit", 11_90))),
    *(("Lights", name, price, 4) for name, price in (("Front light 40 lux", 29_90), ("Front light 80 lux", 59_90), ("Rear light with brake signal", 24_90), ("Rear light standard", 14_90), ("Hub dynamo", 79_00), ("Bottle dynamo", 22_50), ("Light cable 2 m", 5_90), ("Reflector set", 8_50))),
    *(("Saddles and grips", name, price, 7) for name, price in (("Gel saddle", 34_90), ("Leather saddle", 89_00), ("Sport saddle", 44_90), ("Suspension seatpost", 49_90), ("Ergonomic grips", 27_90), ("Handlebar tape", 15_90), ("Trekking handlebar", 36_90), ("Children saddle", 18_90))),
    *(("Suspension", name, price, 1) for name, price in (("Fork seal kit", 32_90), ("Damper oil 1 l", 21_90), ("Rear shock bushing", 14_90), ("Fork spring", 38_50))),
    *(("Accessories", name, price, 9) for name, price in (("Bottle cage", 9_90), ("Mudguard set 28 inch", 32_90), ("Pannier rack", 44_90), ("Kickstand", 17_90), ("Bell", 7_90), ("Folding lock", 69_00), ("U-lock", 54_90), ("Child seat", 119_00), ("Floor pump", 39_90), ("Multitool", 24_90), ("Helmet, adult", 59_90), ("Helmet, child", 39_90))),
    *(("E-bike batteries", name, price, 4) for name, price in (("Frame battery 400 Wh", 429_00), ("Frame battery 500 Wh", 519_00), ("Frame battery 625 Wh", 649_00), ("Rack battery 400 Wh", 449_00), ("Rack battery 500 Wh", 539_00))),
)

MECHANICS = (
    ("Odile", "Brandt", "wheels"),
    ("Tomasz", "Wieland", "e-bikes"),
    ("Priya", "Raman", "brakes"),
    ("Jonas", "Ekblad", "suspension"),
    ("Fatou", "Diarra", "gears"),
    ("Leo", "Castellan", "city bikes"),
    ("Mirjam", "Vos", "e-bikes"),
    ("Henrik", "Solberg", "road bikes"),
    ("Aylin", "Demirkan", "cargo bikes"),
    ("Ruben", "Okonjo", "city bikes"),
)
