"""The made-up shop: the same bytes everywhere, the promised counts and order, and stories that journeys can find."""

import hashlib
import tracemalloc
from collections import Counter, defaultdict, deque
from datetime import datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.shoppers import shoppers

START_MS = 1_767_571_200_000
DAY_MS = 86_400_000

# 5,000 events of 500 customers with seed 7; `PYTHONPATH=. python tests/flows/test_shoppers.py` prints it (same on 3.10.13, 3.11.7
# and 3.12.1). Whoever changes what the shop does changes this line, and the change says so.
GOLDEN = "c8788632d0f38739271fc9db9a74e3dce53a5745e54d1a1dd76d158c3a014de4"

EVENTS = {
    "Product Viewed", "Products Searched", "Product Added", "Checkout Started", "Checkout Step Viewed", "Order Completed",
    "Email Opened", "Email Link Clicked", "Ticket Opened", "Ticket Closed",
}  # fmt: skip


def digest() -> str:
    return hashlib.sha256(b"\n".join(shoppers(5_000, 500, seed=7))).hexdigest()


def ms_of(text: str) -> int:
    assert len(text) == len("2026-01-05T00:00:00.000Z")
    assert text[-1] == "Z"
    return round(datetime.fromisoformat(f"{text[:-1]}+00:00").timestamp() * 1_000)


def read(line: bytes) -> dict[str, Any] | None:
    """The event of a line, or None where nobody could use it."""
    try:
        event: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return event if "userId" in event or "anonymousId" in event else None


@pytest.fixture(scope="module")
def month() -> list[dict[str, Any] | None]:
    """What the benchmark runs on: 200,000 events of 10,000 customers in thirty days."""
    return [read(line) for line in shoppers(200_000, 10_000, seed=1)]


def test_same_seed_same_bytes() -> None:
    """The golden stream, so that a change of bytes is never an accident."""
    assert digest() == GOLDEN


@pytest.mark.parametrize("other", [8, -7, 0, 7 + 2**64])
def test_another_seed_gives_other_events(other: int) -> None:
    """No line in common: ids differ too, also for seeds that Random takes for the same."""
    assert not set(shoppers(300, 20, seed=7)) & set(shoppers(300, 20, seed=other))


def test_lines_come_in_log_order_and_fill_the_days(month: list[dict[str, Any] | None]) -> None:
    """`receivedAt` never goes back; each of the thirty days gets its share; event time is never after log time."""
    received = [ms_of(event["receivedAt"]) for event in month if event]
    assert all(before <= after for before, after in pairwise(received))
    per_day = Counter((at - START_MS) // DAY_MS for at in received)
    assert all(5_000 < per_day[day] < 8_500 for day in range(30))
    assert received[-1] < START_MS + 35 * DAY_MS  # tickets are closed some days later
    assert all(START_MS <= ms_of(event["timestamp"]) <= ms_of(event["receivedAt"]) for event in month if event)


def test_nights_are_quiet(month: list[dict[str, Any] | None]) -> None:
    """In each customer's own zone, as near as its winter offset."""
    hours = Counter(
        ms_of(event["timestamp"]) // 3_600_000 % 24
        for event in month
        if event and event["context"]["timezone"] == "Europe/London"
    )
    assert sum(hours[hour] for hour in range(1, 5)) * 8 < sum(hours[hour] for hour in range(18, 22))


def test_oddities_have_their_shares(month: list[dict[str, Any] | None]) -> None:
    """A few percent late, a few per thousand twice, very few broken."""
    usable = [event for event in month if event]
    assert len(month) == 200_000
    assert 30 <= len(month) - len(usable) <= 100
    late = sum(ms_of(event["receivedAt"]) - ms_of(event["timestamp"]) >= 60_000 for event in usable)
    assert 5_000 < late < 7_500
    repeated = len(usable) - len({event["messageId"] for event in usable})
    assert 450 < repeated < 750


def test_a_duplicate_is_the_same_event_sent_again_within_the_dedupe_horizon() -> None:
    """Only the two times of sending differ; both copies are within two hours or so, far less than 24."""
    first: dict[str, dict[str, Any]] = {}
    repeated = 0
    for line in shoppers(20_000, 1_000, seed=3, duplicates=0.05, broken=0):
        event = orjson.loads(line)
        before = first.setdefault(event["messageId"], event)
        if before is not event:
            repeated += 1
            assert 0 < ms_of(event["receivedAt"]) - ms_of(before["receivedAt"]) < 3 * 3_600_000
            sent = ("sentAt", "receivedAt")
            assert {k: v for k, v in event.items() if k not in sent} == {
                k: v for k, v in before.items() if k not in sent
            }
    assert 700 < repeated < 1_200


def test_broken_lines_are_cut_or_name_nobody() -> None:
    """Both ways of being broken are there, and none is taken for an event."""
    cut = nameless = 0
    for line in shoppers(2_000, 100, seed=4, duplicates=0, broken=1):
        assert read(line) is None
        assert line.startswith(b"{")
        assert b"\n" not in line
        nameless += line.endswith(b"}") and b'"receivedAt"' in line
        cut += not line.endswith(b'Z"}')
    assert cut + nameless == 2_000
    assert 400 < nameless < 800


def check(event: dict[str, Any]) -> None:
    """One event is as the Segment spec and the contract have it."""
    assert event["type"] in ("track", "page", "identify")
    assert event["messageId"].startswith("m-")
    assert event["anonymousId"].startswith("a-")
    assert event.get("userId", "c-00000")[:2] == "c-"
    times = {name: ms_of(event[name]) for name in ("timestamp", "originalTimestamp", "sentAt", "receivedAt")}
    assert times["timestamp"] == times["receivedAt"] - (times["sentAt"] - times["originalTimestamp"])
    assert {"session_id", "timezone", "locale"} <= event["context"].keys()
    name, facts = event.get("event"), event.get("properties", {})
    if event["type"] == "identify":
        assert event["traits"].keys() == {"email", "first_name", "timezone", "consents"}
        assert event["traits"]["email"].isascii()
        assert event["traits"]["email"].endswith(("@example.org", "@example.com", "@example.net"))
        assert all(isinstance(consent, bool) for consent in event["traits"]["consents"].values())
        assert event["userId"]
    elif event["type"] == "page":
        assert event["name"]
        assert event["context"]["page"]["url"].startswith("https://shop.example.org/")
    else:
        assert name in EVENTS
    if name in ("Product Viewed", "Product Added"):
        assert {"product_id", "sku", "name", "category", "price", "currency"} <= facts.keys()
        assert facts["price"] > 0
    if name in ("Checkout Started", "Order Completed"):
        worth = sum(item["price"] * item["quantity"] for item in facts["products"]) - facts.get("discount", 0)
        assert facts["revenue"] == pytest.approx(worth, abs=0.001)
        assert facts["total"] == pytest.approx(facts["revenue"] + facts["shipping"], abs=0.001)
        assert facts["category"] in {item["category"] for item in facts["products"]}


def test_every_usable_line_is_valid(month: list[dict[str, Any] | None]) -> None:
    """Each twentieth of the month, and all kinds of event are among them."""
    some = [event for event in month[::20] if event]
    for event in some:
        check(event)
    assert {event["event"] for event in some if "event" in event} == EVENTS


def test_customers_look_then_buy_and_some_come_often(month: list[dict[str, Any] | None]) -> None:
    """A funnel that narrows, few heavy customers, strangers who never sign in, one identify early in a life."""
    usable = [event for event in month if event]
    kinds = Counter(event.get("event", event["type"]) for event in usable)
    for more, less in pairwise(("page", "Product Viewed", "Product Added", "Checkout Started", "Order Completed")):
        assert kinds[more] > 1.2 * kinds[less]
    assert 0.05 < kinds["Order Completed"] / len({event["context"]["session_id"] for event in usable}) < 0.15
    per_customer = Counter(event["anonymousId"] for event in usable)
    often = sum(count for _, count in per_customer.most_common(1_000))
    assert 0.3 < often / len(usable) < 0.5  # a tenth of them makes over a third of the events
    assert per_customer.most_common(1)[0][1] < 400
    named = {event["anonymousId"] for event in usable if "userId" in event}
    assert 0.1 < 1 - len(named) / len(per_customer) < 0.3
    identified = Counter(event["userId"] for event in usable if event["type"] == "identify")
    assert max(identified.values()) <= 2  # twice only where it was sent twice
    assert sum(count == 1 for count in identified.values()) > 0.98 * len(identified)


def test_three_looks_and_no_purchase_is_the_story_of_a_minority(month: list[dict[str, Any] | None]) -> None:
    """The category-interest journey would find about a tenth of the customers, and a purchase stops some more."""
    views: dict[tuple[str, str], list[int]] = defaultdict(list)
    orders: dict[tuple[str, str], list[int]] = defaultdict(list)
    seen: set[str] = set()
    for event in month:
        if event and event.get("event") in ("Product Viewed", "Order Completed") and event["messageId"] not in seen:
            seen.add(event["messageId"])
            kept = views if event["event"] == "Product Viewed" else orders
            kept[event["anonymousId"], event["properties"]["category"]].append(ms_of(event["timestamp"]))
    fired: set[str] = set()
    stopped: set[str] = set()
    for (customer, category), at in views.items():
        at.sort()
        for first, third in zip(at, at[2:], strict=False):
            if third - first < 5 * DAY_MS:
                bought = any(third - 5 * DAY_MS < order <= third for order in orders.get((customer, category), ()))
                (stopped if bought else fired).add(customer)
    assert 0.05 < len(fired) / 10_000 < 0.15
    assert 0.003 < len(stopped - fired) / 10_000 < 0.05


def peak(events: int, days: int) -> int:
    """Bytes at the highest while a whole stream goes by."""
    tracemalloc.start()
    try:
        deque(shoppers(events, 1_000, seed=5, days=days), maxlen=0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_for_the_open_visits_only() -> None:
    """Ten times the events in ten times the days take no more room, and none of it is much."""
    peak(2_000, days=2)  # fills the cache of minutes
    short, long = peak(2_000, days=2), peak(20_000, days=20)
    assert long < 1.5 * short
    assert long < 500_000


RATES = st.sampled_from([0.0, 0.01, 0.5, 1.0])


@settings(max_examples=60, deadline=None)
@given(
    events=st.integers(0, 400),
    customers=st.integers(1, 300),
    seed=st.integers(-(2**70), 2**70),
    days=st.integers(1, 40),
    duplicates=RATES,
    late=RATES,
    broken=RATES,
)
def test_any_shop_keeps_its_promises(
    *, events: int, customers: int, seed: int, days: int, duplicates: float, late: float, broken: float
) -> None:
    """Exact count, same bytes again, order, valid events, and a rate of zero means none at all."""
    lines, again = (
        list(shoppers(events, customers, seed, days=days, duplicates=duplicates, late=late, broken=broken))
        for _ in "ab"
    )
    assert len(lines) == events
    assert lines == again
    usable = [event for event in map(read, lines) if event]
    for event in usable:
        check(event)
        assert int(event.get("userId", "c-0")[2:]) < customers
    received = [ms_of(event["receivedAt"]) for event in usable]
    assert received == sorted(received)
    assert not received or received[0] > START_MS
    if broken == 0:
        assert len(usable) == events
    if duplicates == 0:
        assert len({event["messageId"] for event in usable}) == len(usable)
    if late == duplicates == 0:
        assert all(ms_of(event["receivedAt"]) - ms_of(event["timestamp"]) < 1_000 for event in usable)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"events": -1}, "events=-1"),
        ({"customers": 0}, "customers=0"),
        ({"days": 0}, "days=0"),
        ({"late": 1.5}, "late=1.5"),
    ],
)
def test_a_wrong_number_is_named_at_once(wrong: dict[str, Any], named: str) -> None:
    """At the call, not at the first line."""
    with pytest.raises(ValueError, match=named):
        shoppers(**{"events": 1, "customers": 1, "seed": 1, **wrong})


if __name__ == "__main__":
    print(digest())
