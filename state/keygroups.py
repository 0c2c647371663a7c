"""Key groups: which of the fixed number of groups a customer belongs to.

A key group is a partition of the customer log, and the unit of state: one store, one clock, one order of events. The
hash is the one that Java's Kafka producer has by default and librdkafka has with `partitioner=murmur2_random`, so a
record that any of them keyed by customer id lies in the right group without being moved.
"""

from struct import Struct, unpack_from
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

GROUPS_FOR_FILES = 64
"""Groups that files are dealt to, whatever the number of workers: enough for 64 processes; more would only be more
databases to open (Flink's default is 128 for the same purpose)."""

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF


_WORDS = [Struct(f"<{count}I").unpack_from for count in range(1024)]
"""The words of a key, by their count."""


def murmur2(data: bytes) -> int:
    """MurmurHash2 (32 bits, unsigned) with the seed that Kafka uses (`org.apache.kafka.common.utils.Utils.murmur2`).

    >>> murmur2(b"21")
    3321034988
    """
    # `i64` is for the compiled form, which then computes without objects; here it says nothing.
    length: i64 = len(data)
    whole: i64 = length >> 2
    h: i64 = _SEED ^ length
    k: i64
    words = _WORDS[whole](data) if whole < len(_WORDS) else unpack_from(f"<{whole}I", data)
    for k in words:
        k = k * _M & _32_BITS  # noqa: PLW2901
        h = (h * _M ^ (k ^ (k >> 24)) * _M) & _32_BITS
    if length & 3:
        rest: i64 = int.from_bytes(data[whole * 4 :], "little")
        h = (h ^ rest) * _M & _32_BITS
    h = (h ^ (h >> 13)) * _M & _32_BITS
    return h ^ (h >> 15)


def group_of(customer_id: bytes, groups: int) -> int:
    """The key group of a customer id, 0 to `groups` - 1; the same as the partition that Kafka's producers choose."""
    return (murmur2(customer_id) & 0x7FFFFFFF) % groups
