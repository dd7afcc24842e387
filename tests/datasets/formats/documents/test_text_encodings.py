"""The encoding of a text file: what spreadsheets write in different countries is read with its letters."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.documents.text_encodings import UNICODE, find_encoding
from app.datasets.formats.work import Work
from tests.datasets.formats.scanned import labels, scan_table, write_files

WORDS = {
    "cp1252": [("Käfer", "Öl"), ("Grüße", "Äpfel"), ("châtaigne", "forêt"), ("niño", "árbol"), ("blåbær", "røn")],
    "mac_roman": [("Käfer", "Ölkäfer"), ("Grüße", "Äpfel"), ("châtaigne", "forêt"), ("niño", "árbol")],
    "cp1251": [("кошка", "собака"), ("Яблоко", "Груша"), ("жук", "пчела")],
    "cp850": [("Äpfel", "Öl"), ("école", "garçon"), ("Käfer", "Vögel"), ("forêt", "château"), ("niño", "árbol")],
    "cp866": [("кошка", "собака"), ("Яблоко", "Груша"), ("жук", "пчела")],
    "cp1253": [("γάτα", "σκύλος"), ("μήλο", "αχλάδι"), ("Σφήκα", "Μέλισσα")],
    "cp932": [("犬", "猫"), ("りんご", "みかん"), ("自動車", "バス")],
    "gbk": [("猫", "狗"), ("苹果", "梨"), ("大象", "熊")],
    "cp949": [("고양이", "강아지"), ("사과나무", "배나무"), ("자동차", "오토바이")],
}
PAIRS = [(encoding, pair) for encoding, pairs in WORDS.items() for pair in pairs]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(("encoding", "pair"), PAIRS, ids=lambda item: item if isinstance(item, str) else item[0])
def test_letters_of_code_pages_are_read(tmp_path: Path, encoding: str, pair: tuple[str, str], delimiter: str) -> None:
    root = write_files(tmp_path / "in", *(f"{number}.png" for number in range(4)))
    rows = [("filename", "label"), *((f"{number}.png", pair[number % 2]) for number in range(4))]
    found = scan_table(root, "\n".join(delimiter.join(row) for row in rows).encode(encoding))
    assert [name for _, name in labels(found)] == [*pair, *pair]
    assert "(guessed" in found.notes[0]


def test_every_code_page_was_tried() -> None:
    assert len(PAIRS) == 32


@pytest.mark.parametrize("text", ["Höhe [°]", "20 °C", "5 µm", "±2", "Straße §5"])
def test_signs_of_western_europe_need_no_letters(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_bytes(f"filename,label\n0.png,{text}\n".encode("cp1252"))
    assert find_encoding(tmp_path / "t.csv", Work()) == "cp1252"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_unicode_is_no_guess(tmp_path: Path, encoding: str) -> None:
    root = write_files(tmp_path / "in", "0.png", "1.png")
    found = scan_table(root, "filename,label\n0.png,Äpfel\n1.png,犬\n".encode(encoding))
    assert labels(found) == [("0.png", "Äpfel"), ("1.png", "犬")]
    assert encoding in UNICODE
    assert "guessed" not in found.notes[0]
