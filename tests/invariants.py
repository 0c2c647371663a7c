"""What must hold of everything that ever comes out, whatever the journeys: looked at with nothing of the engine.

It reads what went in and what came out of one customer, and the `orchestration.yaml` as plain values, and counts for itself: messages under
caps, hours by `zoneinfo`, consents from the events, lots by their documented hash. Where it and the engine differ, one is wrong.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
CALENDAR = {"24h": "day", "1d": "day", "7d": "week", "1w": "week"}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
UNSUBSCRIBES = ("Unsubscribed", "Email Unsubscribed", "Email Marked as Spam")


def lot(kind: str, name: str, customer: str) -> float:
    """The customer's lot, from 0 to 1, as `docs/journeys.md` has it."""
    text = json.dumps([kind, name, customer], separators=(",", ":"), ensure_ascii=False)
    return int(hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[:16], 16) / 2**64


def ms(text: str) -> int:
    """A duration."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(number) * UNITS[text[len(number) :]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def moment(text: str) -> int:
    """An RFC 3339 time as ms."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round((at - datetime(1970, 1, 1, tzinfo=timezone.utc)) / timedelta(milliseconds=1))


@dataclass
class Customer:
    """What is known of a customer at some point of the log."""

    profile: dict[str, Any] = field(default_factory=dict)
    zone: str = ""
    """Of the context."""
    zone_at: int = 0
    """When it was so: what is told late overwrites nothing newer."""


def apply(customer: Customer, event: Mapping[str, Any], groups: Mapping[str, str]) -> None:
    """What an event says of the customer.

    A customer's events are in the order of their times, and no two are read at one time.
    """
    zone, when = (event.get("context") or {}).get("timezone"), event.get("time", event["now"])
    if is_zone(zone) and when >= customer.zone_at:
        customer.zone, customer.zone_at = zone, when
    if event["type"] == "identify":
        for name, value in event["traits"].items():
            if name == "consents":
                customer.profile[name] = {**customer.profile.get(name, {}), **value}
            else:
                customer.profile[name] = value
    elif event.get("event") in UNSUBSCRIBES:
        group = groups.get((event.get("properties") or {}).get("channel", "email"))
        if group is not None:
            customer.profile["consents"] = {**customer.profile.get("consents", {}), group: False}


def is_zone(name: Any) -> bool:
    try:
        return isinstance(name, str) and bool(name) and ZoneInfo(name) is not None
    except Exception:
        return False


class Invariants:
    """The rules of one workspace, and what broke them."""

    def __init__(
        self,
        orchestration: Mapping[str, Any],
        is_suppressed: Callable[[Mapping[str, Any], list[Mapping[str, Any]], int], Iterable[str]],
    ) -> None:
        """Take the rules.

        Args:
            orchestration: `orchestration.yaml`, parsed.
            is_suppressed: The tags that rules hold back, by the profile, the events so far, and the time.
        """
        self.rules = orchestration
        self.channels = {name: one or {} for name, one in orchestration["channels"].items()}
        self.groups = {name: one["consent"] for name, one in self.channels.items() if one.get("consent")}
        self.bypass = set(orchestration.get("bypass", ()))
        self.conflicts = orchestration.get("conflicts")
        self.control = float(str(orchestration.get("control", "0%")).rstrip("%")) / 100
        self.is_suppressed = is_suppressed
        self.violations: list[str] = []
        self.counted: dict[str, int] = {}
        """What was looked at: a rule that never had anything to look at proves nothing."""
        self.arms: dict[str, dict[str, int]] = {}
        """Experiment -> arm -> customers."""
        self.dealt: set[tuple[str, str]] = set()

    def wrong(self, rule: str, customer_id: str, record: Mapping[str, Any]) -> None:
        self.violations.append(f"{rule}: {customer_id}: {json.dumps(record, sort_keys=True)}")

    def see(self, rule: str) -> None:
        self.counted[rule] = self.counted.get(rule, 0) + 1

    def customer(self, customer_id: str, events: list[Mapping[str, Any]], records: list[dict[str, Any]]) -> None:
        """Look at one customer: their events in the log's order, their actions and facts in that of `seq`."""
        known, place = Customer(), 0
        held_out: set[str] = set()
        sends: list[dict[str, Any]] = []
        kept: dict[tuple[str, str], int] = {}
        holds: dict[tuple[str, str], set[str]] = {}
        decided: dict[tuple[str, str], dict[str, Any]] = {}
        arms: dict[str, str] = {}
        ids: set[str] = set()
        last = 0
        for record in records:
            if record["seq"] <= last:
                self.wrong("order", customer_id, record)
            last = record["seq"]
            at = moment(record.get("at") or record["decided_at"])
            cause = record.get("caused_by")
            if cause is not None:
                while place < len(events) and self._is_before(events[place], at, cause):
                    apply(known, events[place], self.groups)
                    place += 1
            fact = record.get("fact")
            if fact == "held_out":
                held_out.add(record["instance"])
            elif fact == "decided":
                decided[record["instance"], record["step"]] = record
            elif fact == "assigned":
                self._assigned(customer_id, record, arms)
            elif fact == "sent" and record.get("kind") is None:
                self._preceded(customer_id, record, decided)
            elif fact is None:
                if record["action_id"] in ids:
                    self.wrong("doubled", customer_id, record)
                ids.add(record["action_id"])
                if record["kind"] == "send":
                    self._sent(customer_id, record, known, sends, events[:place], at)
                    if record["instance"] in held_out:
                        self.wrong("control", customer_id, record)
                    for tag in ("", *record["tags"]):
                        if holds.get((record["channel"], tag)):
                            self.wrong("suppressed", customer_id, record)
                    if self.conflicts is not None and self._concerns(self.conflicts, record):
                        instant = record["decided_at"], "timer" if cause.startswith("timer:") else cause
                        kept[instant] = kept.get(instant, 0) + 1
                        self.see("keep")
                        if kept[instant] > self.conflicts.get("keep", 1):
                            self.wrong("keep", customer_id, record)
                    sends.append(record)
                else:
                    for tag in record["tags"] or [""]:
                        owners = holds.setdefault((record["channel"], tag), set())
                        if record["kind"] == "suppress":
                            owners.add("held")
                            self.see("held")
                        else:
                            owners.clear()

    def _is_before(self, event: Mapping[str, Any], at: int, cause: str) -> bool:
        """Whether an event was read before what a record tells; timers come before the event of their time."""
        received: int = event["now"]
        return received < at or (received == at and not cause.startswith("timer:"))

    def _assigned(self, customer_id: str, record: Mapping[str, Any], arms: dict[str, str]) -> None:
        name, arm = record["name"], record["arm"]
        if arms.setdefault(name, arm) != arm:
            self.wrong("arm", customer_id, record)
        elif (name, customer_id) not in self.dealt:
            self.dealt.add((name, customer_id))
            counts = self.arms.setdefault(name, {})
            counts[arm] = counts.get(arm, 0) + 1

    def _preceded(
        self, customer_id: str, record: Mapping[str, Any], decided: Mapping[tuple[str, str], dict[str, Any]]
    ) -> None:
        self.see("decided")
        before = decided.get((record["instance"], record["step"]))
        if before is None or before["at"] != record["at"] or before["chosen"] == "nothing":
            self.wrong("decided", customer_id, record)
            return
        own = [
            one
            for one in before["candidates"]
            if one["instance"] == record["instance"] and one["step"] == record["step"] and one["gate"] is None
        ]
        if [one["channel"] for one in own] != [record["channel"]] or not all(
            "score" in one for one in before["candidates"]
        ):
            self.wrong("candidates", customer_id, record)

    def _concerns(self, rule: Mapping[str, Any], action: Mapping[str, Any]) -> bool:
        channels, tags, journeys = (listed(rule.get(key)) for key in ("channel", "tag", "journey"))
        return (
            (not channels or action["channel"] in channels)
            and (not tags or bool(set(tags) & set(action["tags"])))
            and (not journeys or action["journey"] in journeys)
        )

    def _sent(
        self,
        customer_id: str,
        action: dict[str, Any],
        known: Customer,
        sends: list[dict[str, Any]],
        events: list[Mapping[str, Any]],
        at: int,
    ) -> None:
        self.see("sent")
        channel, tags = action["channel"], set(action["tags"])
        rules = self.channels[channel]
        is_exempt = bool(tags & self.bypass)
        zone = self._zone(known)
        if address := rules.get("address"):
            self.see("address")
            if str(action["to"].get(channel)) != str(known.profile.get(address.removeprefix("profile."))).strip():
                self.wrong("address", customer_id, action)
        if not is_exempt and (group := self.groups.get(channel)):
            self.see("consent")
            if known.profile.get("consents", {}).get(group) is not True:
                self.wrong("consent", customer_id, action)
        held = set(self.is_suppressed(known.profile, events, at))
        if held & tags:
            self.wrong("rule", customer_id, action)
        if not is_exempt:
            self._hours(customer_id, action, rules, zone, at)
            for cap in self.rules.get("caps", ()):
                if self._concerns(cap, action):
                    self.see("cap")
                    since = self._window(cap, at, zone)
                    if (
                        sum(1 for one in sends if self._concerns(cap, one) and moment(one["decided_at"]) >= since)
                        >= cap["max"]
                    ):
                        self.wrong(f"cap {cap}", customer_id, action)
        if self.control and "marketing" in tags:
            self.see("global control")
            if lot("control", "global control", customer_id) < self.control:
                self.wrong("global control", customer_id, action)

    def _zone(self, known: Customer) -> ZoneInfo:
        given = known.profile.get("timezone")
        return ZoneInfo(given if is_zone(given) else known.zone or self.rules["timezone"])

    def _window(self, cap: Mapping[str, Any], at: int, zone: ZoneInfo) -> int:
        """The first instant that counts."""
        if cap.get("window") != "calendar":
            return at - ms(cap["per"]) + 1
        unit = CALENDAR.get(cap["per"], cap["per"])
        local = datetime.fromtimestamp(at / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if unit == "week":
            local -= timedelta(days=local.weekday())
        elif unit == "month":
            local = local.replace(day=1)
        return round(local.timestamp() * 1000)

    def _hours(
        self, customer_id: str, action: dict[str, Any], rules: Mapping[str, Any], zone: ZoneInfo, at: int
    ) -> None:
        named = rules.get("zone", "customer")
        clock = zone if named == "customer" else ZoneInfo(self.rules["timezone"] if named == "workspace" else named)
        local = datetime.fromtimestamp(at / 1000, clock)
        if quiet := rules.get("quiet"):
            self.see("quiet")
            if is_within(quiet, local):
                self.wrong("quiet", customer_id, action)
        if opened := rules.get("open"):
            self.see("open")
            if not is_within(opened, local):
                self.wrong("open", customer_id, action)


def is_within(hours: str, local: datetime) -> bool:
    """Whether a local time is within hours, read by the clock on the wall."""
    *days, span = hours.split(" ")
    weekdays = set(range(7))
    if days:
        first, _, last = days[0].partition("-")
        start = WEEKDAYS.index(first[:3])
        weekdays = {(start + n) % 7 for n in range((WEEKDAYS.index((last or first)[:3]) - start) % 7 + 1)}
    start, end = (int(one[:2]) * 60 + int(one[3:]) for one in span.split("-"))
    minute, day = local.hour * 60 + local.minute, local.weekday()
    if start < end:
        return day in weekdays and start <= minute < end
    return (day in weekdays and minute >= start) or ((day - 1) % 7 in weekdays and minute < end)
