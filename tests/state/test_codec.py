"""Stored bytes: what was ever written is read for ever, and what is none of ours is refused in words.

`PYTHONPATH=. python tests/state/test_codec.py` writes the golden files that are not there yet; it never changes one. A
golden file is the hex of one stored value, named `FORMAT-WHAT.hex`; whoever adds a format, or a field, adds files and keeps
the old ones.
"""

from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from state.codec import FORMAT, Token, Undo, decode, decode_customer, encode, encode_customer, encode_touches
from state.customer import Customer, Entry, GroupMeta, JourneyMemory, Sent
from state.delivery import Lengths, Marker, Message, Unsent
from state.errors import StateError, StateFormatError
from state.feedback import Feedback, Touch
from state.profile import Known
from state.runs import Hold, Run
from state.timer_index import timer_key
from state.traits import Kept, TraitMemory

GOLDEN = Path(__file__).with_name("golden")

CUSTOMER = Customer(
    seq=70_000,
    seen={2**64 - 1: 1_767_225_600_000, 0: 1_767_225_600_001},
    profile={
        "email": "bo@example.org",
        "näme": "B\u00f6\U0001f600\x00",
        "age": 41,
        "low": -(2**63),
        "score": 0.1,
        "big": 1.8446744073709552e19,
        "vip": True,
        "gone": None,
        "deep": {"list": [1, [2.5, {"a": []}], {}]},
    },
    contacts={"email": 1_767_225_600_002},
    journeys={
        "category-interest": JourneyMemory(
            buckets={"tents": [452409753600001 << 8 | 1], "\x007": [1 << 8 | 2, 2 << 8 | 3], "\x00any": [3 << 8 | 2]},
            contents={"tents": [{"kind": "track", "name": "Product Viewed", "properties": {"price": 9.5}, "time": 1}]},
            entries={"tents": Entry(1_767_225_600_003, True), "": Entry(0)},
        ),
        "empty": JourneyMemory(),
    },
)
META = GroupMeta(
    group=3,
    groups=64,
    position=2**40,
    now=1_767_225_600_004,
    fired_through=1_767_225_600_000,
    definitions="0f" * 16,
    counts={"records": 10, "accepted": 7, "rejected": 2, "duplicates": 1, "customers": 4},
    rejected={"not_json": 2},
    actions={"category-interest": {"email": 1}},
)
RUN = Run(
    instance="0f" * 16,
    version=2,
    entered_at=1_767_225_600_006,
    entry_time=1_767_225_600_000,
    key="tents",
    value="tents",
    step="2.else.1",
    since=1_767_225_600_007,
    visits={"offer": 2},
    backs={"w.1.again": 1},
    events=[{"kind": "track", "name": "Cart Viewed", "properties": {"n": [1, None]}, "time": 1}],
    names={"seen": [0]},
    held=[1, {"kind": "track", "name": "Cart Viewed"}],
    actions={"0e" * 16: "offer"},
    arms={"subject": "b"},
    exposed=["subject"],
    values={"properties.cart": ["c-1", "\x007"]},
    is_control=True,
    converted=True,
    refusal_told=True,
)
WITH_RUNS = replace(
    CUSTOMER,
    timers={"cart-recovery 0f0f 2": 1_767_225_600_005, "": 0},
    runs={"cart-recovery": [RUN, Run("0a" * 16, 1, 0, 0)]},
    holds={
        "ads": {
            "retirement": {
                "retirement-interest hold tents": Hold("retirement-interest", 1, "0f" * 16, "hold", 1, 5, 10),
                "retirement-interest quiet 0f0f": Hold("retirement-interest", 1, "0f" * 16, "quiet", 1, 5),
            }
        }
    },
    zone="Europe/Berlin",
)
WITH_TRAITS = replace(
    WITH_RUNS,
    traits=TraitMemory(
        mark=2**64 - 1,
        traits={7: {"": Kept([1, 2], [9.5, "x"], [1, 3]), "tents": Kept()}},
        segments={8: True, 9: False},
        due={9: 1_767_225_600_008},
    ),
)
WITH_MARKS = replace(
    WITH_TRAITS, journeys={name: replace(memory, mark=2**64 - 1) for name, memory in CUSTOMER.journeys.items()}
)
DEFERRED = replace(
    RUN,
    capped_at=5,
    has_gathered=True,
    has_lost=True,
    choices={"act": "check-in"},
    leaving="goal",
    is_deferred=True,
    mover={"kind": "track", "name": "B", "properties": {}, "time": 1},
)
GATED = replace(
    WITH_MARKS,
    runs={"cart-recovery": [DEFERRED, Run("0a" * 16, 1, 0, 0)]},
    sends=[Sent(1_767_225_600_000, "email", "welcome", ["news", "offers"]), Sent(1_767_225_600_001, "ads", "j")],
    bounced={"email": "bo@example.org"},
    lots={"split subject": "b", "control cart-recovery": "treatment"},
)
KNOWN = replace(
    GATED,
    feedback=Feedback(
        recent=encode_touches(
            [Touch("0f" * 16, "email", "welcome", 1, "0e" * 16, "hello", "b", 1_767_225_600_009, 2**64 - 1, ["opened"])]
        ),
        answers={"email": [20_454, 2, 1, 20_455, 1, 0]},
        hours=[0, 1_024, *[0] * 22, 861, *[0] * 6],
        week=2_922,
        pending=[1_767_225_600_000, 73],
        offers={"free-shipping": [1_767_225_600_014]},
    ),
    known=Known(
        at={"plan": 1_767_225_600_010},
        consent_at={"email_marketing": 1_767_225_600_011},
        consent_log=[(1_767_225_600_011, "email_marketing", False, "m1"), (0, "sms", None, "m0")],
        locale="de-DE",
        locale_at=1_767_225_600_012,
        zone_at=1_767_225_600_013,
    ),
)
WITH_TIMERS = replace(CUSTOMER, timers={"cart-recovery 0f0f 2": 1_767_225_600_005, "": 0})
UNDO = Undo(
    bytes.fromhex((GOLDEN / "1-group-meta.hex").read_text("ascii")),
    [("c-1", bytes.fromhex((GOLDEN / "1-customer.hex").read_text("ascii"))), ("\u00e9", None)],
)
OLDER = {
    "customer": CUSTOMER,
    "customer-new": Customer(),
    "customer-with-timers": WITH_TIMERS,
    "customer-with-timers-new": Customer(),
    "customer-with-runs": WITH_RUNS,
    "customer-with-runs-new": Customer(),
    "customer-with-traits": WITH_TRAITS,
    "customer-with-traits-new": Customer(),
    "customer-with-marks": WITH_MARKS,
    "group-meta": META,
    "group-meta-fresh": GroupMeta(0, 1),
    "undo": UNDO,
    "undo-of-the-first-epoch": Undo(None, []),
}
"""What golden files hold that were written before a field was added: it has its default."""
VALUES = {
    "customer-known": KNOWN,
    "group-meta-of-ingest": replace(META, is_stamped=True, definitions_in_log=True),
    "group-meta-of-ingest-fresh": GroupMeta(0, 1),
    "undo-with-timers": replace(UNDO, timers=[(timer_key(5, "c-1"), timer_key(6, "c-1")), (None, b"k"), (b"l", None)]),
    "undo-with-timers-of-the-first-epoch": Undo(None, []),
    "unsent": Unsent(
        7,
        [
            Message("actions.email", "c-\u00e9", b'{"a":1}', [("action_id", b"0f0f")]),
            Message("events.rejected", None, b"\x00\xff", [("reason", b"not_json"), ("offset", b"12")]),
        ],
        [(0, -1, -1), (63, 2**40, 1_767_225_600_000)],
    ),
    "unsent-nothing": Unsent(0),
    "marker": Marker(7, [(0, -1, -1), (63, 2**40, 1_767_225_600_000)]),
    "marker-first": Marker(0),
    "lengths": Lengths({"journeys.facts.0.part": 2**40, "actions.email.0.part": 0}),
    "token": Token(3, 2**40, 1_767_225_600_000),
    "token-before-the-first-record": Token(0, -1, -1),
}
"""What the newest golden files of format 1 hold."""
EVERY = {**OLDER, **VALUES}


def write(value):
    return encode_customer(value) if isinstance(value, Customer) else encode(value)


def read(stored, form):
    return decode_customer(stored) if form is Customer else decode(stored, form)


def golden(name):
    return bytes.fromhex((GOLDEN / f"1-{name}.hex").read_text(encoding="ascii"))


# --- golden files


@pytest.mark.parametrize("name", EVERY)
def test_what_was_ever_stored_is_read_for_ever(name):
    """Format 1; a change that breaks this test breaks every state directory there is."""
    assert read(golden(name), type(EVERY[name])) == EVERY[name]


@pytest.mark.parametrize("name", VALUES)
def test_what_is_written_now_is_the_newest_golden_format(name):
    """A change of bytes is a field more at the end, or a new format with a byte of its own; and golden files of its own."""
    assert write(VALUES[name]) == golden(name)


def test_every_golden_file_is_read_by_a_test():
    """None lies there unread, of whatever format."""
    assert {path.name for path in GOLDEN.iterdir()} == {f"1-{name}.hex" for name in EVERY}


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        ("01 90", Customer()),
        ("01 91 05", Customer(seq=5)),
        ("01 93 05 80 81 a1 61 01", Customer(seq=5, profile={"a": 1})),
        ("01 92 03 40", GroupMeta(3, 64)),
        ("01 93 03 40 07", GroupMeta(3, 64, 7)),
    ],
)
def test_a_record_of_fewer_fields_has_the_defaults_of_the_rest(stored, value):
    """Fields are added at the end: bytes of before then still decode."""
    assert read(bytes.fromhex(stored), type(value)) == value


# --- round trips

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
times = st.integers(-1, 2**53)
memories = st.builds(
    JourneyMemory,
    buckets=st.dictionaries(st.text(max_size=5), st.lists(times, max_size=4), max_size=3),
    contents=st.dictionaries(
        st.text(max_size=5), st.lists(st.dictionaries(st.text(max_size=5), json, max_size=2), max_size=2)
    ),
    entries=st.dictionaries(st.text(max_size=5), st.builds(Entry, times, st.booleans()), max_size=3),
)
customers = st.builds(
    Customer,
    seq=times,
    seen=st.dictionaries(st.integers(0, 2**64 - 1), times, max_size=4),
    profile=st.dictionaries(st.text(max_size=5), json, max_size=4),
    contacts=st.dictionaries(st.text(max_size=5), times, max_size=2),
    journeys=st.dictionaries(st.text(max_size=5), memories, max_size=2),
    timers=st.dictionaries(st.text(max_size=5), times, max_size=2),
)


@settings(max_examples=100, deadline=None)
@given(customers)
def test_a_customer_is_read_as_it_was_stored(customer):
    """Equal, in the same order, and stored again as the same bytes."""
    stored = encode_customer(customer)
    again = decode_customer(stored)
    assert again == customer
    assert encode_customer(again) == stored
    assert list(again.seen) == list(customer.seen)


@given(
    times,
    times,
    times,
    st.binary(max_size=20),
    st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5))),
)
def test_the_smaller_records_are_read_as_they_were_stored(one, two, three, meta, undone):
    """Tokens and undo records."""
    for value in (Token(one, two, three), Undo(meta, undone), Undo(None, undone)):
        assert decode(encode(value), type(value)) == value


# --- what is none of ours


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("first", [0, 2, 0x7B, 0x80, 0xFF])
def test_an_unknown_format_byte_is_refused(name, first):
    """With the bytes, and with what to do."""
    stored = bytes([first]) + golden(name)[1:]
    with pytest.raises(StateFormatError) as refused:
        read(stored, type(VALUES[name]))
    assert stored[:8].hex(" ") in str(refused.value)
    assert "newer version, or is damaged" in str(refused.value)
    assert isinstance(refused.value, StateError)


@pytest.mark.parametrize("form", [Customer, GroupMeta, Undo, Token])
def test_no_bytes_at_all_are_refused(form):
    """An empty value is no record."""
    with pytest.raises(StateFormatError, match="begins with nothing"):
        read(b"", form)
    with pytest.raises(StateFormatError):
        read(FORMAT, form)


@pytest.mark.parametrize("name", VALUES)
def test_bytes_that_are_cut_off_or_go_on_are_refused(name):
    """At every place."""
    stored = golden(name)
    for end in range(len(stored)):
        with pytest.raises(StateFormatError):
            read(stored[:end], type(VALUES[name]))
    with pytest.raises(StateFormatError):
        read(stored + b"\x00", type(VALUES[name]))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("customer-with-traits", GroupMeta),
        ("customer-with-traits", Undo),
        ("customer-with-traits", Token),
        ("group-meta-of-ingest", Customer),
        ("group-meta-of-ingest", Undo),
        ("undo", Customer),
        ("undo", GroupMeta),
        ("undo", Token),
        ("token", Customer),
        ("token", Undo),
    ],
)
def test_a_record_of_another_kind_is_refused(name, form):
    """Bytes of one family, read as those of another."""
    with pytest.raises(StateFormatError):
        read(golden(name), form)


@pytest.mark.parametrize("name", ["customer-known", "group-meta-of-ingest", "undo-with-timers", "token"])
def test_damaged_bytes_are_a_record_or_are_refused(name):
    """A flipped bit may change a number unseen; nothing but `StateFormatError` ever comes of it."""
    random, stored, form = Random(1), golden(name), type(VALUES[name])
    refused = 0
    for _ in range(3_000):
        damaged = bytearray(stored)
        for _ in range(random.randint(1, 3)):
            damaged[random.randrange(1, len(damaged))] = random.randrange(256)
        try:
            assert isinstance(read(bytes(damaged), form), form)
        except StateFormatError:
            refused += 1
    assert refused > 100


@given(st.binary(max_size=30))
def test_any_bytes_are_a_record_or_are_refused(tail):
    """After the right format byte, too."""
    for form in (Customer, GroupMeta, Undo, Token):
        with suppress(StateFormatError):
            assert isinstance(read(FORMAT + tail, form), form)


def write_goldens():
    """Write the golden files that are not there yet."""
    GOLDEN.mkdir(exist_ok=True)
    for name, value in VALUES.items():
        path = GOLDEN / f"1-{name}.hex"
        if not path.exists():
            path.write_text(write(value).hex(" ", 4) + "\n", encoding="ascii")


if __name__ == "__main__":
    write_goldens()
