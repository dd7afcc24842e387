"""Finds the encoding of names in an archive that does not state it. Text only: opens nothing and judges no name.

A zip states UTF-8 by a flag. Packers of desktop systems leave it out, or write the code page of their own system, so
the bytes themselves have to tell. One encoding is chosen for all names of an archive: one name is too short to tell.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

FALLBACK = "cp437"  # that of the zip format; every byte is a character of it, so no two names become one
_MIN_SCORE = 0.5
_MAX_NAMES = 2000
_LEAD = 1e-6
# Syllables that make up most of Korean text. Chinese read as Korean gives any of 2,350 and seldom one of these.
_COMMON_SYLLABLES = frozenset(
    "가각간갈감강개거건검게겨결경계고골공과관광교구국군그극근금기길김까꽃끼나날남내너노녹농눈뉴느는늘니다단달담당대더도독동두둘드들디"
    "따딸때라락란람량러레려력로록론료루류르른름리린림마만말망매머먼메면명모목몬무문물미민바박반발밤방배백버번법벨변별병보복본봄부북분불비"
    "빵사산살상새색생서석선설성세소속손송수술숙순스승시식신실심씨아안알암애야약양어언얼여역연열영예오옥온올와왕요용우운울원월위유육은을음"
    "응의이인일임입자작잔장재저적전점정제조종주준중즈지직진집차참창채책처천철청체초총추축출충치카커컴코콜쿠크키타탄태터테토통트티파판패퍼페"
    "련검증쪽큰좌측균험찍힘립편평포표푸품풀프플피하학한함합항해행향허험혀현형호홍화확환활황회효후훈휴흑흰히"
)
# Code pages in which the same bytes are words of one script, and how common its letters are in its languages.
_RIVALS: Mapping[tuple[str, str], Mapping[str, int]] = MappingProxyType(
    {
        ("cp866", "cp1251"): dict.fromkeys("оеаинтсрвлкмдпу", 4),
        ("mac_roman", "cp850"): dict.fromkeys("äöüé", 12) | dict.fromkeys("èàçñáíóåøæ", 8) | dict.fromkeys("êâúãõ", 4),
    }
)
# The name that a note gives, by Python's name of the encoding. The first of equals is taken.
TITLES: Mapping[str, str] = MappingProxyType(
    {
        "utf-8": "UTF-8",
        "cp437": "code page 437",
        "cp1252": "Windows-1252",
        "cp850": "code page 850",
        "cp866": "code page 866 (Cyrillic)",
        "cp1251": "Windows-1251 (Cyrillic)",
        "cp932": "Shift-JIS (Japanese)",
        "gbk": "GBK (Chinese)",
        "big5": "Big5 (Chinese)",
        "cp949": "code page 949 (Korean)",
    }
)
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # how Python keeps a byte that it cannot read
_WORD = re.compile(r"[^\W\d_]+")
# First and last lead byte of the characters in common use, and the first trail byte that goes with them.
_USUAL_BYTES: Mapping[str, tuple[tuple[int, int, int], ...]] = MappingProxyType(
    {
        "cp932": ((0x82, 0x83, 0x40), (0x88, 0x97, 0x40)),
        "gbk": ((0xB0, 0xD7, 0xA1),),
        "big5": ((0xA4, 0xC6, 0x40),),
        "cp949": ((0xB0, 0xC8, 0xA1),),
    }
)

PAIRED = tuple(_USUAL_BYTES)
"""Encodings of two bytes a character that can be judged."""


def find_encoding(names: Sequence[bytes]) -> str:
    """Return the encoding that reads all of these names, as far as it can be told; each holds a byte above 127."""
    # The name of a folder comes before each of its files and counts once.
    sample = list(dict.fromkeys(part for name in names[:_MAX_NAMES] for part in name.split(b"/") if not part.isascii()))
    if 2 * sum(map(_is_utf_8, sample)) > len(sample):
        return "utf-8"
    scores = {encoding: score(sample) for encoding, score in _SCORES.items()}
    best = settle_tie(max(scores, key=lambda encoding: scores[encoding]), scores, sample)
    return best if scores[best] >= _MIN_SCORE else FALLBACK


def settle_tie(best: str, scores: Mapping[str, float], names: Sequence[bytes]) -> str:
    """Return the likelier of two code pages whose letters make words just as well: the one with more common letters."""
    for pair, common in _RIVALS.items():
        other = next((name for name in pair if name != best and best in pair), best)
        if other != best and scores.get(other, 0.0) >= scores[best]:
            return max((best, other), key=lambda encoding: _weigh_letters(names, encoding, common))
    return best


def _weigh_letters(names: Sequence[bytes], encoding: str, weights: Mapping[str, int]) -> int:
    """Return how common the letters are, capitals three quarters as much; a byte is one letter in both of a pair."""
    letters = [character for name in _decode_all(names, encoding) for character in name]
    return sum(4 * weights.get(letter, 0) or 3 * weights.get(letter.lower(), 0) for letter in letters)


def decode_name(name: bytes, encoding: str) -> str:
    """Return a name as text; a byte that is none of the encoding becomes `%E9`, so that names stay different."""
    escaped = name.decode(encoding, "surrogateescape")
    return _ESCAPED_BYTE.sub(lambda match: f"%{ord(match[0]) - 0xDC00:02X}", escaped)


def _is_utf_8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode_all(names: Sequence[bytes], encoding: str) -> list[str]:
    """Return the names as text, none when one of them cannot be read."""
    try:
        return [name.decode(encoding) for name in names]
    except UnicodeDecodeError:
        return []


def score_letters(encoding: str, script: str) -> Callable[[Sequence[bytes]], float]:
    """Return how to judge a code page of one byte a character: the share of its letters that look like a word."""

    def score(names: Sequence[bytes]) -> float:
        num_usual, num_all = 0, 0
        for name in _decode_all(names, encoding):
            num_all += sum(character > "\x7f" for character in name)
            num_usual += sum(_count_usual_letters(word, script) for word in _WORD.findall(name))
        return num_usual / num_all if num_all else 0.0

    return score


def _count_usual_letters(word: str, script: str) -> int:
    """Return the letters above ASCII of a word, none when it mixes cases, or scripts, or has no plain letter."""
    letters = [character for character in word if character > "\x7f"]
    is_latin = script == "LATIN"
    has_case = word.islower() or word.isupper() or word.istitle() or (word[0].isupper() and word[1:].islower())
    is_pure = any(character <= "\x7f" for character in word) if is_latin else len(letters) == len(word) > 1
    is_of_script = all(unicodedata.name(character, "").startswith(script) for character in letters)
    is_usual = is_of_script and not any(character in "ªºµƒ" for character in letters)
    return len(letters) if has_case and is_pure and is_usual else 0


def score_pairs(encoding: str) -> Callable[[Sequence[bytes]], float]:
    """Return how to judge an encoding of two bytes a character: the share of its characters in common use."""

    def score(names: Sequence[bytes]) -> float:
        num_usual, num_all, num_common = 0, 0, 0
        for name in _decode_all(names, encoding):
            num_common += sum(character in _COMMON_SYLLABLES for character in name)
            for at, character in enumerate(name):
                if character > "\x7f":
                    num_all += 1
                    num_usual += _is_usual_pair(character.encode(encoding), encoding, name[at + 1 : at + 2])
        share = num_usual / num_all if num_all else 0.0
        # The bytes of a Korean name are always those of a Chinese one, so only the syllables tell.
        return share + _LEAD if 2 * num_common > num_all else share

    return score


def _is_usual_pair(pair: bytes, encoding: str, following: str) -> bool:
    if len(pair) != 2:  # half-width letters, which no one writes names with
        return False
    # An accented letter and the plain one behind it read as one character, in the middle of a word.
    takes_letter = pair[1:].isalpha() and following.isascii() and following.isalpha()
    ranges = _USUAL_BYTES[encoding]
    return not takes_letter and any(first <= pair[0] <= last and pair[1] >= trail for first, last, trail in ranges)


_SCORES: Mapping[str, Callable[[Sequence[bytes]], float]] = MappingProxyType(
    {
        "cp437": score_letters("cp437", "LATIN"),
        "cp1252": score_letters("cp1252", "LATIN"),
        "cp850": score_letters("cp850", "LATIN"),
        "cp866": score_letters("cp866", "CYRILLIC"),
        **{encoding: score_pairs(encoding) for encoding in _USUAL_BYTES},
        "cp1251": score_letters("cp1251", "CYRILLIC"),
    }
)
