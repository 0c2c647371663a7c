"""Decoding: the corpus of bad input with the right outcome for each, the Segment rules of ids and times, and no exception ever."""

import json
from hashlib import blake2b
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from operators.decode import DEPTH_MAX, FUTURE_MS_MAX, ID_CHARACTERS_MAX, REASONS, RECORD_BYTES_MAX, address_of, decode
from operators.events import Event, Rejected
from operators.segment import UNREADABLE, read_address
from state.instants import INSTANT_MS_MAX, INSTANT_MS_MIN, format_instant
from tests.broken_events import TIME, USER, broken_events, disputed_events, line, nested

TEN = 1_767_607_200_000  # 2026-01-05T10:00:00Z
DAY = 86_400_000
CORPUS = {name: (raw, expected) for name, raw, expected in broken_events()}
DISPUTED = dict(disputed_events())
KINDS = ("track", "identify", "page", "screen", "group", "alias")
OF_THE_LOG = {"misrouted", "unknown_kind", "bad_definitions"}
"""Reasons that no bytes alone lead to: key, partition and headers of a Kafka record do."""


def from_file(raw: bytes) -> Event | Rejected:
    """Decode as files are read: the log time is the record's own, if it has one."""
    try:
        customer_id, log_time = address_of(read_address(raw))
    except UNREADABLE:
        customer_id, log_time = "", None
    found = decode(raw, log_time, own_time=True)
    if type(found) is Event:
        assert found.customer_id == customer_id  # a line is dealt by its address: the event must be of that customer
    return found


def outcome(found: Event | Rejected) -> str:
    return "ok" if type(found) is Event else found.reason


def check(found: Event | Rejected) -> None:
    """What holds for whatever comes out: an event that can be worked on and written, or a reason that can be told."""
    if type(found) is Rejected:
        assert found.reason in REASONS
        assert found.message
        found.message.encode()
        assert len(found.message) < 1000
        return
    assert type(found) is Event
    assert found.kind in KINDS
    assert found.name
    assert 0 < len(found.customer_id) <= ID_CHARACTERS_MAX + len("anon:")
    assert found.message_id
    assert type(found.time) is int
    assert INSTANT_MS_MIN <= found.time < INSTANT_MS_MAX + DAY
    assert type(found.properties) is dict
    assert type(found.context) is dict
    for text in (found.name, found.customer_id, found.message_id):
        text.encode()


def event(**fields: Any) -> Event:
    """Decode a `track` of the usual customer with these fields, arrived at ten; it must be readable."""
    found = decode(track(**fields), fields.pop("log_time", TEN))
    assert type(found) is Event, found
    return found


def track(**fields: Any) -> bytes:
    given = {"type": "track", "event": "Product Viewed", "userId": "c-1", **fields}
    return orjson.dumps({name: value for name, value in given.items() if value is not ...})


@pytest.mark.parametrize("name", CORPUS)
def test_each_line_of_the_corpus_ends_as_it_should(name: str) -> None:
    """Rejected for the right reason, or read."""
    raw, expected = CORPUS[name]
    found = from_file(raw)
    assert outcome(found) == expected, str(found)[:200]
    check(found)


@pytest.mark.parametrize("name", DISPUTED)
def test_what_two_readers_disagree_about_is_read_or_rejected(name: str) -> None:
    """msgspec passes over fields that nobody looks at, orjson does not; the answer must not be an exception."""
    check(from_file(DISPUTED[name]))
    check(decode(DISPUTED[name], TEN))


def test_every_reason_is_reached() -> None:
    """A reason that nothing leads to would be a promise that nobody has seen kept."""
    assert {expected for _, expected in CORPUS.values()} == {"ok", *REASONS} - OF_THE_LOG


def test_the_corpus_can_be_told_apart() -> None:
    """Whoever finds a line again must know which one it was."""
    lines = [raw for _, raw, _ in broken_events()]
    assert len(CORPUS) == len(set(lines)) == len(lines)
    assert not any(b"\n" in raw for raw in lines)


@pytest.mark.parametrize("raw", [b"", b" ", b"\r", b"\t \x0b"])
def test_nothing_at_all_is_no_json(raw: bytes) -> None:
    """Files pass over blank lines, but a Kafka record may hold one."""
    assert outcome(decode(raw, TEN)) == "not_json"


@given(st.binary(max_size=200), st.none() | st.integers(INSTANT_MS_MIN, INSTANT_MS_MAX - 1), st.booleans())
@settings(deadline=None)
def test_no_bytes_raise(raw: bytes, log_time: int | None, own_time: bool) -> None:
    """Garbage is a value like any other."""
    check(from_file(raw))
    check(decode(raw, log_time, own_time))


TIMES = T, O, S, R = "timestamp", "originalTimestamp", "sentAt", "receivedAt"  # noqa: E741
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**25), 10**25)
    | st.floats()
    | st.text()
    | st.just("\ud800")
    | st.sampled_from(("2026-01-05T10:00:00.000Z", "", TEN, TEN / 1000)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
fields = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | json_values},
    optional=dict.fromkeys(
        ("event", "userId", "anonymousId", "messageId", "properties", "traits", "context", "extra", *TIMES),
        json_values,
    ),
)


@given(json_values | fields, st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_json_raises(value: object, ascii_only: bool) -> None:
    """Any value at all, and any values in the right places; with surrogates, NaN and infinities as Python writes them."""
    raw = json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    check(from_file(raw))
    check(decode(raw, TEN))


WHOLE = line(
    USER,
    TIME,
    b'"messageId":"m-1","anonymousId":"a-1","receivedAt":"2026-01-05T10:00:01.000Z"',
    b'"properties":{"category":"tents","price":12.5,"list":[' + b",".join([b"{}"] * 210) + b"]}",
    b'"context":{"locale":"de-DE"},"extra":{"a":[1,"x",null]}',
)
PIECES = (
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\u", b"\x00", b"\xff", b"\xed\xa0\x80", b"null", b"1e999", b"-",
    b"9" * 400, b'"userId":', b'"timestamp":', b"[" * 300, b"\\ud800",
)  # fmt: skip
cuts = st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 12), st.sampled_from(PIECES) | st.binary(max_size=3))


@given(st.lists(cuts, min_size=1, max_size=4))
@example([(WHOLE.index(b'"x"') + 1, 1, b"\xff")])
@settings(max_examples=200, deadline=None)
def test_no_damaged_event_raises(damage: list[tuple[int, int, bytes]]) -> None:
    """A good event with a few places cut out, put in or written over."""
    raw = WHOLE
    for place, length, piece in damage:
        raw = raw[:place] + piece + raw[place + length :]
    check(from_file(raw))
    check(decode(raw, TEN))


@given(fields)
@settings(max_examples=30, deadline=None)
def test_a_time_of_its_own_is_read_once_or_twice_alike(value: dict[str, Any]) -> None:
    """`own_time` saves a second reading; it changes nothing."""
    raw = json.dumps(value).encode()
    try:
        _, log_time = address_of(read_address(raw))
    except UNREADABLE:
        return
    assert decode(raw, log_time, own_time=True) == decode(raw, log_time, own_time=False)


def test_an_event_is_read_whole() -> None:
    """Every field in its place."""
    # given a track with all that is read of it
    raw = track(
        messageId="m-1",
        anonymousId="a-1",
        timestamp="2026-01-05T09:59:59.5Z",
        properties={"price": 12.5},
        context={"ip": "::1"},
    )
    # when it is decoded, then it is what was sent
    assert decode(raw, TEN) == Event("track", "Product Viewed", "c-1", "m-1", TEN - 500, {"price": 12.5}, {"ip": "::1"})


@pytest.mark.parametrize("kind", KINDS[1:])
def test_what_is_no_track_is_named_by_its_type(kind: str) -> None:
    """A journey that waits for `page` looks for that name; `event` of it is not read."""
    found = event(type=kind, event="Product Viewed")
    assert (found.kind, found.name) == (kind, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_traits_are_the_properties_of_identify_and_group(kind: str) -> None:
    """Of the others, `properties` are; what is not there is empty."""
    found = event(type=kind, properties={"from": "properties"}, traits={"from": "traits"})
    assert found.properties == {"from": "traits" if kind in ("identify", "group") else "properties"}
    assert event(type=kind).properties == {}
    assert event(type=kind, properties=None, traits=None, context=None).context == {}


@pytest.mark.parametrize(
    ("ids", "customer_id"),
    [
        ({"userId": "c-1", "anonymousId": "a-1"}, "c-1"),
        ({"userId": None, "anonymousId": "a-1"}, "anon:a-1"),
        ({"userId": "", "anonymousId": "a-1"}, "anon:a-1"),
        ({"userId": ..., "anonymousId": "a-1"}, "anon:a-1"),
        ({"userId": ..., "anonymousId": 7}, "anon:7"),
        ({"userId": 42, "anonymousId": "a-1"}, "42"),
        ({"userId": 0}, "0"),
        ({"userId": " "}, " "),
        ({"userId": "c-1", "anonymousId": []}, "c-1"),
    ],
)
def test_the_customer_is_the_user_else_the_anonymous_one(ids: dict[str, Any], customer_id: str) -> None:
    """Customer id = `userId`, else `anon:` + `anonymousId`; a number is written as text."""
    raw = track(timestamp=TEN, **ids)
    found = from_file(raw)
    assert type(found) is Event
    assert found.customer_id == customer_id
    assert address_of(read_address(raw)) == (customer_id, TEN)


def test_a_message_without_an_id_is_known_by_its_bytes() -> None:
    """The same bytes are the same event, one byte more is another."""
    raw = track(timestamp=TEN)
    found, other = decode(raw, TEN), decode(raw + b" ", TEN)
    assert type(found) is type(other) is Event
    assert found.message_id == blake2b(raw, digest_size=16).hexdigest() != other.message_id
    assert event(messageId=7).message_id == "7"
    assert event(messageId="").message_id == event(messageId="").message_id != ""


@pytest.mark.parametrize(
    ("times", "log_time", "time"),
    [
        ({T: TEN}, TEN, TEN),
        ({T: TEN, O: 0, S: 1, R: TEN + 5}, TEN + 5, TEN),  # `timestamp` wins
        ({O: TEN - 90_000, S: TEN - 60_000, R: TEN}, TEN, TEN - 30_000),  # a device whose clock is a minute slow
        ({O: TEN + 3 * DAY - 90_000, S: TEN + 3 * DAY - 60_000, R: TEN}, TEN, TEN - 30_000),  # ... three days fast
        ({O: 5_000, S: 6_000, R: TEN}, TEN, TEN - 1_000),  # ... never set
        ({O: 0, S: TEN * 2 - 1, R: TEN}, TEN, 0),  # more time than there was: the beginning of it
        ({O: TEN - 1_000, R: TEN}, TEN, TEN - 1_000),  # nothing to correct it by
        ({S: TEN - 1_000, R: TEN}, TEN, TEN),
        ({R: TEN}, TEN, TEN),
        ({O: "word", S: "word", R: TEN}, TEN, TEN),
        ({T: None, R: TEN}, TEN, TEN),
    ],
)
def test_event_time_follows_the_rule_of_the_spec(times: dict[str, Any], log_time: int, time: int) -> None:
    """`timestamp`, else receivedAt - (sentAt - originalTimestamp), else what there is; log time is `receivedAt`."""
    shown = {name: at if isinstance(at, str) or at is None else format_instant(at) for name, at in times.items()}
    raw = track(**shown)
    assert address_of(read_address(raw))[1] == log_time
    found = from_file(raw)
    assert type(found) is Event
    assert found.time == time


@given(st.integers(0, 30 * DAY), st.integers(0, 5 * DAY), st.integers(-100 * DAY, 100 * DAY))
@settings(deadline=None)
def test_a_wrong_clock_of_a_device_does_not_matter(age: int, delay: int, error: int) -> None:
    """Whatever the device's clock says, the event happened as long before it was sent as the device counted."""
    # given an event that happened `age` before it was sent, and was underway for `delay`
    happened, sent = TEN - delay - age, TEN - delay
    raw = track(originalTimestamp=happened + error, sentAt=sent + error, receivedAt=TEN)
    # when it is read, then the device's error is out of it; what remains is how long it was underway
    found = decode(raw, TEN)
    assert type(found) is Event
    assert found.time == happened + delay


def test_a_record_of_a_log_needs_no_time_of_its_own() -> None:
    """The broker's timestamp is when it arrived, and then also when it happened."""
    assert event().time == TEN
    assert event(originalTimestamp=TEN - 9_000, sentAt=TEN - 4_000).time == TEN - 5_000
    assert outcome(decode(track(), None)) == "no_time"


@pytest.mark.parametrize(("ahead", "expected"), [(0, "ok"), (FUTURE_MS_MAX, "ok"), (FUTURE_MS_MAX + 1, "future")])
def test_a_time_may_be_a_day_ahead_of_the_log(ahead: int, expected: str) -> None:
    """Clocks are set to the wrong zone; beyond a day they are broken."""
    assert outcome(decode(track(timestamp=TEN + ahead), TEN)) == expected
    assert outcome(from_file(track(timestamp=TEN + ahead, receivedAt=TEN))) == expected


@pytest.mark.parametrize(("more", "expected"), [(0, "ok"), (1, "too_large")])
def test_a_record_may_have_a_mebibyte(more: int, expected: str) -> None:
    """To the byte, as a broker counts."""
    frame = len(track(timestamp=TEN, properties={"a": ""}))
    raw = track(timestamp=TEN, properties={"a": "x" * (RECORD_BYTES_MAX - frame + more)})
    assert len(raw) == RECORD_BYTES_MAX + more
    assert outcome(decode(raw, TEN)) == expected


@pytest.mark.parametrize(("deeper", "expected"), [(0, "ok"), (1, "too_deep")])
@pytest.mark.parametrize(("opening", "closing"), [(b'{"a":', b"}"), (b"[", b"]")])
def test_nesting_has_a_bound(deeper: int, expected: str, opening: bytes, closing: bytes) -> None:
    """To the level, the record itself being the first; what is taken can be written again."""
    raw = line(
        USER, TIME, b'"properties":{"a":' + nested(DEPTH_MAX - 2 + deeper, opening, closing) + b"}", b'"extra":[[],{}]'
    )
    found = decode(raw, TEN)
    assert outcome(found) == expected
    if type(found) is Event:
        assert orjson.loads(orjson.dumps(found.properties)) == found.properties


def test_duplicate_keys_mean_the_last() -> None:
    """As JavaScript, Python and orjson read them, for the address and the event alike."""
    raw = line(b'"userId":"c-0","userId":"c-2"', b'"timestamp":1,"timestamp":%d' % TEN, b'"properties":{"a":1,"a":2}')
    found = from_file(raw)
    assert type(found) is Event
    assert (found.customer_id, found.time, found.properties) == ("c-2", TEN, {"a": 2})


@pytest.mark.parametrize(
    ("raw", "reason", "words"),
    [
        (track(timestamp="yesterday"), "bad_time", ("`timestamp`", "'yesterday'", "2026-01-05T10:00:00.000Z")),
        (track(timestamp=TEN, type="Track"), "bad_type", ("'Track'", "write one of track")),
        (track(timestamp=TEN, userId=..., anonymousId=""), "no_id", ("`userId`", "`anonymousId`")),
        (track(timestamp=TEN, userId=[1]), "bad_id", ("`userId`", "[1]", "text")),
        (track(timestamp=TEN, userId="x" * 2000), "bad_id", ("2,000", "1,024")),
        (track(timestamp=TEN, properties=[1]), "bad_properties", ("`properties`", "[1]", "object")),
        (track(timestamp=TEN, type="group", traits=[1]), "bad_properties", ("`traits`",)),
        (b"{" * 3, "not_json", ("not JSON",)),
        (b" " * (RECORD_BYTES_MAX + 1), "too_large", ("1,048,577", "1,048,576")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_message_shows_the_value_and_what_would_be_right(raw: bytes, reason: str, words: tuple[str, ...]) -> None:
    """Whoever mends the source reads this sentence and nothing else."""
    found = decode(raw, TEN)
    assert type(found) is Rejected
    assert found.reason == reason
    for word in words:
        assert word in found.message
