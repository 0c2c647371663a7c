"""Key groups: the hash is Kafka's to the bit, every id has a group, and groups are about as large as each other."""

import doctest
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state import keygroups
from state.keygroups import GROUPS_FOR_FILES, group_of, murmur2


def signed(number: int) -> int:
    """The 32 bits as Java shows them."""
    return number - (1 << 32) if number >= 1 << 31 else number


def by_the_book(data: bytes) -> int:
    """`org.apache.kafka.common.utils.Utils.murmur2`, line for line."""
    mask, m, length = 0xFFFFFFFF, 0x5BD1E995, len(data)
    h = 0x9747B28C ^ length
    for i in range(length // 4):
        k = data[4 * i] + (data[4 * i + 1] << 8) + (data[4 * i + 2] << 16) + (data[4 * i + 3] << 24)
        k = (k * m) & mask
        k ^= k >> 24
        k = (k * m) & mask
        h = (h * m) & mask
        h ^= k
    rest = length & ~3
    if length % 4 == 3:
        h ^= data[rest + 2] << 16
    if length % 4 >= 2:
        h ^= data[rest + 1] << 8
    if length % 4 >= 1:
        h ^= data[rest]
        h = (h * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    return h ^ (h >> 15)


@pytest.mark.parametrize(
    ("data", "java"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_kafkas_own_test(data: bytes, java: int) -> None:
    """The vectors of Kafka's `UtilsTest.testMurmur2`."""
    assert signed(murmur2(data)) == java


@given(st.binary(max_size=70))
@settings(deadline=None)
def test_the_hash_is_that_of_kafkas_source(data: bytes) -> None:
    """Every length, so every way that the last bytes are taken in; always 32 bits."""
    assert murmur2(data) == by_the_book(data)
    assert 0 <= murmur2(data) < 1 << 32


@given(st.binary(max_size=40), st.integers(1, 4096))
@settings(deadline=None)
def test_every_id_has_a_group(data: bytes, groups: int) -> None:
    """From 0 to one below the number of groups, as the producer's `toPositive(murmur2(key)) % partitions`."""
    group = group_of(data, groups)
    assert 0 <= group < groups
    assert group == (murmur2(data) % (1 << 31)) % groups


def test_a_negative_hash_is_made_positive_as_java_does() -> None:
    """By dropping the sign bit, not by its absolute value: -973932308 & 0x7fffffff is 1173551340."""
    assert group_of(b"21", 1 << 31) == 1_173_551_340


@pytest.mark.parametrize("form", ["c-{:05}", "{}", "anon:{:032x}", "user{}@example.org"])
def test_groups_are_about_as_large_as_each_other(form: str) -> None:
    """32,000 ids of the usual forms: 500 to a group, give or take what chance does (five times its deviation)."""
    sizes = Counter(group_of(form.format(number).encode(), GROUPS_FOR_FILES) for number in range(32_000))
    assert len(sizes) == GROUPS_FOR_FILES
    assert min(sizes.values()) > 390
    assert max(sizes.values()) < 610


def test_the_examples_in_the_docstrings_hold() -> None:
    """What the documentation shows is what happens."""
    assert doctest.testmod(keygroups).failed == 0
