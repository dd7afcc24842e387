"""Names whose encoding is not stated, as packers of many systems write them: read right, and never made one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets.formats.archives.name_encodings import FALLBACK, TITLES, decode_name, find_encoding

PACKED = {
    "utf-8": ["Äpfel/1.png", "梨/2.png", "हिन्दी/3.png"],
    "cp437": ["Äpfel/1.png", "Größe/2.png", "château/é.png"],
    "cp850": ["maçã/1.png", "pão/2.png", "Ávila/x.png"],
    "cp1252": ["männer/2.png", "Größe/x.png", "été/é.png"],
    "cp866": ["яблоко/1.png", "Груши/2.png"],
    "cp1251": ["кошки/1.png", "собаки/2.png"],
    "cp932": ["りんご/1.png", "テスト/写真.png", "梨/3.png"],
    "gbk": ["苹果/1.png", "梨子/2.png"],
    "big5": ["蘋果/1.png", "梨子/2.png", "測試/3.png"],
    "cp949": ["사과나무/1.png", "배나무/2.png"],
}
SINGLE = [
    ("Äußerung", "cp437"),
    ("château", "cp437"),
    ("château", "cp1252"),
    ("São Paulo", "cp850"),
    ("Бабочка", "cp866"),
    ("собака", "cp866"),
    ("КОТЫ", "cp866"),
    ("жук", "cp866"),
    *((name, "cp1251") for name in ("собака", "кошки", "Кошки", "лиса", "дом", "нога", "рыба", "заяц", "мышь серая")),
    ("梨", "gbk"),
    ("ひらがな", "cp932"),
    ("蝴蝶标本", "gbk"),
]


@pytest.mark.parametrize(("encoding", "names"), PACKED.items())
def test_one_encoding_is_found_for_an_archive(encoding: str, names: list[str]) -> None:
    raw = [name.encode(encoding) for name in names]
    assert find_encoding(raw) == encoding
    assert [decode_name(name, encoding) for name in raw] == names


@pytest.mark.parametrize(
    ("encoding", "folders"),
    [
        ("gbk", ["苹果", "梨"]),
        ("gbk", ["猫", "狗"]),
        ("gbk", ["好", "坏"]),
        ("gbk", ["训练集", "测试集"]),
        ("gbk", ["红花", "白花", "黄花"]),
        ("cp949", ["고양이", "개"]),
        ("cp949", ["사과", "배"]),
        ("cp949", ["정상", "불량"]),
        ("cp949", ["훈련", "검증"]),
        ("cp949", ["빨간꽃", "노란꽃"]),
    ],
)
@pytest.mark.parametrize("num_files", [1, 2, 50])
def test_chinese_and_korean_are_told_apart_however_many_files_a_folder_has(
    encoding: str, folders: list[str], num_files: int
) -> None:
    raw = [f"{folder}/{number}.png".encode(encoding) for folder in folders for number in range(num_files)]
    assert find_encoding(raw) == encoding


def test_every_encoding_is_tried_and_has_a_name() -> None:
    assert set(PACKED) == set(TITLES)
    assert len(TITLES) == 10


@pytest.mark.parametrize(("name", "encoding"), SINGLE)
def test_a_single_name_is_read(name: str, encoding: str) -> None:
    raw = name.encode(encoding)
    assert decode_name(raw, find_encoding([raw])) == name


def test_bytes_that_fit_nothing_are_read_as_the_format_says() -> None:
    assert find_encoding([b"\xff\xfe\xb0.png", b"\xb0\xb1.png"]) == FALLBACK


def test_a_name_that_is_no_utf_8_among_others_that_are_is_escaped() -> None:
    names = ["Äpfel/1.png".encode(), "Öl/2.png".encode(), b"caf\xe9.png", b"caf\xe8.png"]
    encoding = find_encoding(names[:3])
    assert encoding == "utf-8"
    assert [decode_name(name, encoding) for name in names[2:]] == ["caf%E9.png", "caf%E8.png"]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.binary(min_size=1, max_size=12).filter(lambda raw: not raw.isascii()), min_size=1, max_size=6))
def test_whatever_the_bytes_are_there_is_text(names: list[bytes]) -> None:
    encoding = find_encoding(names)
    for name in names:
        decode_name(name, encoding).encode()
    fallback = {decode_name(name, FALLBACK) for name in names}
    assert len(fallback) == len(set(names))
