"""Sections to chunks: bounded, verbatim, whole."""

from __future__ import annotations

import itertools
import random
import re
import time

import pytest

from stores.chunks import Chunk, count_words, split
from stores.parsers import Section, parse


def squeezed(text: str) -> str:
    return " ".join(text.split())


def prose(sentences: int, seed: int = 1) -> str:
    rng = random.Random(seed)
    words = "the a wheel brake shop opens closes warranty two years refund within days chain is and of to".split()
    return " ".join(" ".join(rng.choices(words, k=rng.randint(4, 14))).capitalize() + f" {n}." for n in range(sentences))


def test_a_chunk_is_embedded_under_its_title_and_headings_but_quotes_only_its_own_words() -> None:
    warranty = Section(("Repairs", "Warranty"), "", "Two years for the frame.")
    expected = Chunk(warranty.headings, "Repairs › Warranty", warranty.text, "my handbook: Repairs › Warranty")
    assert split([warranty, Section((), "", prose(20))], name="deep/my_handbook.md")[0] == expected


def test_the_heading_above_all_is_the_title_and_a_number_is_none() -> None:
    sections = [Section(("Handbook", "Hours"), "", prose(12)), Section(("Handbook", "Prices"), "", prose(14))]
    assert [chunk.embedded.split("\n")[0] for chunk in split(sections, name="x.md")] == ["Handbook: Hours", "Handbook: Prices"]
    for name in ("scan-0042.txt", "cran-12.txt", "2024.md", "3f2a91bc-77aa-4c0e-9d11-0123456789ab.pdf"):
        assert split([Section((), "", "Words.")], name=name)[0].embedded == "Words."
    assert split([Section((), "", "Words.")], name="travel policy 2024.txt")[0].embedded == "travel policy 2024\nWords."


@pytest.mark.parametrize("limit", [60, 120, 220])
def test_chunks_are_bounded_verbatim_and_lose_nothing(limit: int) -> None:
    text = "\n\n".join(prose(n % 9 + 1, seed=n) for n in range(30))
    chunks = split([Section(("A",), "", text)], name="t", chunk_tokens=limit)
    assert len(chunks) > 3
    for chunk in chunks:
        assert count_words(chunk.embedded) <= limit
        assert squeezed(chunk.text) in squeezed(text)
    for sentence in re.findall(r"[^.]+\.", squeezed(text)):
        assert any(sentence.strip() in squeezed(chunk.text) for chunk in chunks)


def test_chunks_of_a_split_section_overlap_by_a_sentence_and_others_do_not() -> None:
    chunks = split([Section((), "", prose(60))], name="t", chunk_tokens=120)
    for before, after in itertools.pairwise(chunks):
        assert after.text.startswith(re.findall(r"[^.]+\.", before.text)[-1].strip())
    apart = split([Section(("A",), "", prose(12, seed=2)), Section(("B",), "", prose(12, seed=3))], name="t", chunk_tokens=300)
    assert len(apart) == 2
    assert apart[0].text[-40:] not in apart[1].text


def test_a_long_table_repeats_its_header() -> None:
    rows = [f"part {n} | {n} EUR" for n in range(100)]
    chunks = split([Section(("Prices",), "", "\n".join(rows), "part | price")], name="t", chunk_tokens=100)
    assert len(chunks) > 5
    assert all(chunk.text.startswith("part | price\n") and count_words(chunk.embedded) <= 100 for chunk in chunks)
    assert [row for chunk in chunks for row in chunk.text.split("\n")[1:]] == rows


def test_rows_of_a_csv_keep_their_numbers() -> None:
    sections = parse(("a,b\n" + "\n".join(f"{n},text of row {n}" for n in range(1, 61))).encode(), "x.csv")
    chunks = split(sections, name="x.csv", chunk_tokens=100)
    for chunk in chunks:
        first, *_, last = (int(row.split(" | ")[0]) for row in chunk.text.split("\n")[1:])
        assert chunk.location == f"rows {first}–{last}"


def test_short_neighbours_under_one_parent_are_joined_and_say_which_they_are() -> None:
    text = "# Shop\n\n## Hours\n\nNine to five.\n\n## Address\n\nMain street 1.\n\n## Repairs\n\n" + prose(15) + "\n\n# Other\n\nApart."
    chunks = split(parse(text.encode(), "shop.md"), name="shop.md")
    assert [chunk.location for chunk in chunks] == ["Shop › Hours, Address", "Shop › Repairs", "Other"]
    assert squeezed(chunks[0].text) == "Hours Nine to five. Address Main street 1."


def test_pages_that_are_joined_are_both_named() -> None:
    chunks = split([Section((), f"page {n}", f"Short page {n}.") for n in range(1, 5)], name="t")
    assert [chunk.location for chunk in chunks] == ["pages 1–4"]


def test_languages_without_spaces_are_cut_too() -> None:
    text = "これは長い文章です。" * 300
    chunks = split([Section((), "", text)], name="t", chunk_tokens=100, count_tokens=len)
    assert all(len(chunk.embedded) <= 100 for chunk in chunks)
    assert all(chunk.text in text for chunk in chunks)
    unbroken = split([Section((), "", "漢" * 5000)], name="t", chunk_tokens=200, count_tokens=len)
    assert sum(len(chunk.text) for chunk in unbroken) >= 5000
    assert all(len(chunk.embedded) <= 200 for chunk in unbroken)


def test_a_line_of_ten_megabytes_takes_bounded_time() -> None:
    began = time.process_time()
    chunks = split([Section((), "", "word " * 2_000_000)], name="t")
    assert time.process_time() - began < 60
    assert all(count_words(chunk.embedded) <= 220 for chunk in chunks)


def test_a_monstrous_heading_or_row_leaves_room_for_words() -> None:
    chunks = split([Section(("H" * 5000,), "", prose(30)), Section((), "", "x " * 5000, "h " * 5000)], name="T" * 1000)
    assert all(len(chunk.text) > 20 for chunk in chunks)
    assert all(count_words(chunk.text) <= 220 for chunk in chunks)
