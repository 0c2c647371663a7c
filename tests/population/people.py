"""Made-up people for the journeys that ship: everybody lives through some of their stories, in sixty days.

Every customer is made of a seed and their number alone. What is awkward is in it on purpose: addresses that are none, zones that are
none, moves to other zones, consents that come and go, two carts at one hour, tickets that stay open, events at night.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

DAY = 86_400_000
HOUR = 3_600_000
MINUTE = 60_000
START = 1_774_224_000_000
"""2026-03-23T00:00:00Z, a Monday: the clocks of Europe go forward in the first week."""

ZONES = (
    "Europe/Berlin", "Europe/London", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "Asia/Kathmandu",
    "Pacific/Auckland", "America/Sao_Paulo",
)  # fmt: skip
CATEGORIES = ("tents", "ropes", "hats", "boots", "stoves", "maps", "packs", "lamps")

Event = dict[str, Any]


class Person:
    """One customer; `events` tells their sixty days."""

    def __init__(self, seed: int, number: int, days: int = 60) -> None:
        self.customer_id = f"c-{number:06}"
        self.days = days
        self._random = Random(f"people {seed} {number}")
        self._events: list[tuple[int, Event]] = []

    def events(self) -> list[Event]:
        """In the order in which they are read; no two at one time."""
        self._is(self._profile(), START + self._int(HOUR))
        if self._chance(0.7):  # what was bought before the log begins, told late
            for _ in range(1 + self._int(3)):
                ago = self._int(90) * DAY + self._int(DAY)
                order = {"revenue": 20 + self._int(400), **({"coupon": "C"} if self._chance(0.4) else {})}
                self._does("Order Completed", START + HOUR + self._int(HOUR), order, time=START - ago)
        stories = [
            self._looks, self._looks, self._cart, self._cart, self._search, self._ticket, self._loan, self._retirement,
            self._appointment, self._plan, self._falls_off, self._upgrade, self._call, self._changes, self._changes, self._answers,
        ]  # fmt: skip
        for _ in range(2 + self._int(3)):
            stories[self._int(len(stories))](START + self._int(self.days * DAY))
        if self._chance(0.15):  # many things at one hour: messages compete
            at = START + self._int(self.days * DAY)
            for story in (self._looks, self._cart, self._looks, self._falls_off):
                story(at + self._int(HOUR))
        return self._in_order()

    def _in_order(self) -> list[Event]:
        found, last = [], 0
        for number, (at, event) in enumerate(sorted(self._events, key=lambda one: one[0])):
            now = max(at, last + 1)
            last = now
            found.append({"userId": self.customer_id, "messageId": f"{self.customer_id}-{number}", "now": now, **event})
        return found

    # --- what they are

    def _profile(self) -> dict[str, Any]:
        profile: dict[str, Any] = {"customer_since": f"{2015 + self._int(11)}-0{1 + self._int(9)}-01"}
        if self._chance(0.93):
            profile["email"] = f"{self.customer_id}@example.org" if self._chance(0.97) else "none"
        if self._chance(0.6):
            profile["phone"] = (
                f"+49 170 {self._int(10**7):07}" if self._chance(0.9) else 491_700_000_000 + self._int(10**6)
            )
        if self._chance(0.6):
            profile["push_token"] = f"token-{self._int(10**6)}"
        if self._chance(0.9):
            profile["timezone"] = ZONES[self._int(len(ZONES))] if self._chance(0.97) else "Mars/Phobos"
        if self._chance(0.4):
            profile["preferred_channel"] = ("email", "sms", "push", "ads")[self._int(4)]
        if self._chance(0.5):
            profile["contract_end"] = f"2026-0{4 + self._int(4)}-1{self._int(9)}"
        if self._chance(0.95):
            profile["consents"] = self._consents()
        return profile

    def _consents(self) -> dict[str, bool]:
        return {f"{channel}_marketing": self._chance(0.8) for channel in ("email", "push", "sms") if self._chance(0.95)}

    # --- what they do

    def _looks(self, at: int) -> None:
        category = CATEGORIES[self._int(len(CATEGORIES))]
        for _ in range(3 + self._int(2)):
            self._does("Product Viewed", at, {"category": category})
            at += 1 + self._int(30 * HOUR if self._chance(0.5) else 10 * MINUTE)
        if self._chance(0.2):
            self._does("Order Completed", at + self._int(2 * DAY), {"category": category, "revenue": 50})

    def _cart(self, at: int) -> None:
        checkout = {"checkout_id": f"k-{self._int(10**9)}"}
        self._does("Product Added", at, {"category": "tents"})
        self._does("Checkout Started", at + MINUTE, checkout)
        self._does("Checkout Step Viewed", at + 2 * MINUTE, {**checkout, "step": 3})
        if self._chance(0.3):
            order = {**checkout, "revenue": 80, **({"coupon": "C"} if self._chance(0.5) else {})}
            self._does("Order Completed", at + 3 * MINUTE + self._int(2 * DAY), order)

    def _search(self, at: int) -> None:
        session = f"s-{self._int(10**9)}"
        for number in range(2):
            self._does("Products Searched", at + number * MINUTE, {"query": "q", "results": 0}, {"session_id": session})

    def _ticket(self, at: int) -> None:
        ticket = {"ticket_id": f"t-{self._int(10**9)}", "topic": "delayed order" if self._chance(0.6) else "size"}
        self._does("Ticket Opened", at, ticket)
        self._looks(at + self._int(DAY))
        if self._chance(0.8):
            self._does("Ticket Closed", at + HOUR + self._int(10 * DAY), ticket)

    def _loan(self, at: int) -> None:
        for number in range(5):
            kind = "page" if number % 2 else "screen"
            self._tells({"type": kind, "name": "loans", "properties": {"topic": "home-loan"}}, at + number * 60 * HOUR)
        if self._chance(0.5):
            self._does("In-App Message Clicked", at + 11 * DAY, {})

    def _retirement(self, at: int) -> None:
        mail = {"campaign_name": "retirement", "email_id": f"e-{self._int(10**9)}"}
        self._does("Email Opened", at, mail)
        if self._chance(0.3):
            self._does("Email Link Clicked", at + self._int(3 * DAY), mail)

    def _appointment(self, at: int) -> None:
        self._does("Appointment Missed", at, {"kind": "follow-up", "appointment_id": f"a-{self._int(10**9)}"})
        if self._chance(0.4):
            self._does("Appointment Booked", at + self._int(6 * DAY), {"appointment_id": "a-new"})

    def _plan(self, at: int) -> None:
        of = {"subscription_id": f"p-{self._int(10**9)}"}
        self._does("Plan Chosen", at, {**of, "plan": "Fibre"})
        if self._chance(0.7):
            self._does("Service Activated", at + self._int(12 * DAY), of)
            self._does("Bill Issued", at + 13 * DAY + self._int(9 * DAY), {**of, "total": 30})
        if self._chance(0.2):
            self._does("Subscription Cancelled", at + self._int(20 * DAY), of)

    def _falls_off(self, at: int) -> None:
        if self._chance(0.5):
            for number in range(2):
                self._does("Complaint Filed", at + number * DAY, {})
        else:
            for number in range(5):
                self._does("Session Started", at + number * 2 * DAY, {})

    def _upgrade(self, at: int) -> None:
        self._does("Subscription Upgraded", at, {})

    def _call(self, at: int) -> None:
        for number in range(3):
            page = {"feature": "cards", "seconds": 400}
            self._tells({"type": "page", "name": "cards", "properties": page}, at + number * 5 * MINUTE)
        self._does("Call Started", at + 20 * MINUTE, {"call_id": f"call-{self._int(10**9)}"})

    def _changes(self, at: int) -> None:
        """Their mind, their zone, their address."""
        what = self._int(4)
        if what == 0:
            self._does("Unsubscribed", at, {} if self._chance(0.7) else {"channel": ("push", "sms")[self._int(2)]})
        elif what == 1:
            self._is({"consents": self._consents()}, at)
        elif what == 2:
            self._is({"timezone": ZONES[self._int(len(ZONES))]}, at)
        else:
            self._is({"email": f"new.{self.customer_id}@example.org", "push_token": f"token-{self._int(10**6)}"}, at)

    def _answers(self, at: int) -> None:
        for _ in range(3):
            name = ("Email Opened", "Push Notification Tapped", "SMS Clicked", "In-App Message Clicked")[self._int(4)]
            self._does(name, at, {})
            at += self._int(3 * DAY)

    # --- as events

    def _does(
        self, name: str, at: int, properties: dict[str, Any], context: dict[str, Any] | None = None, *, time: int = 0
    ) -> None:
        self._tells({"type": "track", "event": name, "properties": properties}, at, context, time)

    def _is(self, traits: dict[str, Any], at: int) -> None:
        self._tells({"type": "identify", "traits": traits}, at)

    def _tells(self, event: Event, at: int, context: dict[str, Any] | None = None, time: int = 0) -> None:
        if self._chance(0.2):
            context = {**(context or {}), "timezone": ZONES[self._int(len(ZONES))]}
        self._events.append(
            (at, {**event, **({"context": context} if context else {}), **({"time": time} if time else {})})
        )

    def _int(self, below: int) -> int:
        return int(self._random.random() * below)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share


def people(seed: int, count: int, days: int = 60) -> Iterator[Person]:
    """So many of them."""
    return (Person(seed, number, days) for number in range(count))
