"""`offers.yaml`, read: the offers in it, what is wrong with them, and with the steps that choose from them."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from operators.complaints import Complaint, complaint_at, validated
from operators.expression_functions import moment
from operators.expressions_written import offer_readings
from operators.journey_mistakes import channel_mistake, nearest
from operators.offer_definitions import Offer
from operators.send_definitions import BEST
from operators.send_plans import offers_named
from operators.steps_written import lists_of, steps_in
from operators.trait_compiler import Definitions
from operators.yaml_lines import Document, Location

OFFERS = "offers.yaml"

OFFERS_MAX = 1_000
"""Of one workspace: far more than one step compares."""

_EXAMPLE = "free-shipping: {channel: email, template: free-shipping, value: 8}"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)


class OfferFile:
    """The offers of a workspace; the file may be missing."""

    def __init__(self, document: Document | None) -> None:
        """Read what is there."""
        self._document = Document() if document is None else document
        self.complaints: list[Complaint] = []
        self.offers: dict[str, Offer] = {}
        value = self._document.value
        if not isinstance(value, (dict, type(None))):
            message = f"the file is no mapping; write a name and what is offered, as in: {_EXAMPLE}"
            self.complaints.append(Complaint(OFFERS, 1, "", message))
        self._written: Mapping[Any, Any] = value if isinstance(value, dict) else {}
        if len(self._written) > OFFERS_MAX:
            message = f"more than {OFFERS_MAX:,} offers; take out those that nobody chooses from"
            self.complaints.append(Complaint(OFFERS, 1, "", message))
        for name, offer in self._written.items():
            self._read(name, offer)

    def _read(self, name: Any, value: Any) -> None:
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            message = (
                f"{name!r} cannot be the name of an offer; write letters, digits, `-` and `_`, as in: free-shipping"
            )
            self._complain((name,), message)
            return
        if name == "nothing":
            self._complain((name,), "an offer cannot be called 'nothing': facts mean by it that none was made")
            return
        if not isinstance(value, dict):
            self._complain((name,), f"an offer says what is sent, as in: {_EXAMPLE}")
            return
        found: list[Complaint] = []
        below = {location[1:]: line for location, line in self._document.lines.items() if location[:1] == (name,)}
        offer = validated(Offer, OFFERS, Document(value, below), found)
        self.complaints += [replace(one, path=f"{name}.{one.path}" if one.path else name) for one in found]
        if offer is None:
            return
        self.offers[name] = offer
        start, end = (moment(one, None) if one else None for one in (offer.from_, offer.until))
        if start is not None and end is not None and end < start:
            self._complain((name, "until"), f"{offer.until!r} is before `from`, {offer.from_!r}; nobody ever gets it")

    def check(
        self, channels: Sequence[str] | None, reachable: Collection[str], definitions: Definitions
    ) -> Iterator[Complaint]:
        """What is wrong with them, beside channels, traits and segments that there are.

        Args:
            channels: All; None where that is not known.
            reachable: Those with an address.
            definitions: Traits and segments.
        """
        yield from self.complaints
        for name, offer in self._written.items():
            if not isinstance(offer, dict):
                continue
            named = offer.get("channel")
            place: Location = (name, "channel")
            if isinstance(named, dict):
                named, place = named.get(BEST), (*place, BEST)
            for index, channel in enumerate(named if isinstance(named, list) else [named]):
                where: Location = (*place, index) if isinstance(named, list) else place
                message = channel_mistake(channel, channels, reachable, not isinstance(named, list))
                if message is not None:
                    yield complaint_at(OFFERS, self._document, where, message)
            for reading in offer_readings(offer):
                for message in definitions.mistakes_in(reading.uses, reading.tree):
                    yield complaint_at(OFFERS, self._document, (name, *reading.location), message)

    def check_steps(self, file: str, document: Document) -> Iterator[Complaint]:
        """Steps of a journey that choose from offers that there are not."""
        written = {name: one for name, one in self._written.items() if isinstance(name, str)}
        for step in steps_in(lists_of(document.value)):
            choose = step.step.get("choose")
            named = choose.get("from") if step.kind == "choose" and isinstance(choose, dict) else None
            place = (*step.location, "choose", "from")
            if isinstance(named, str) and not offers_named(named, written):
                there = sorted({tag for one in written.values() for tag in _tags(one)})
                message = f"there is no offer with the tag {named!r}; "
                if named in written:
                    message += f"it is the name of an offer: write a list, as in: from: [{named}]"
                else:
                    message += nearest(named, there) if there else f"write offers into {OFFERS}, as in: {_EXAMPLE}"
                yield complaint_at(file, document, place, message)
            for index, name in enumerate(named if isinstance(named, list) else ()):
                if isinstance(name, str) and name not in written:
                    instead = nearest(name, list(written)) if written else f"write it into {OFFERS}, as in: {_EXAMPLE}"
                    yield complaint_at(file, document, (*place, index), f"there is no offer {name!r}; {instead}")

    def _complain(self, location: Location, message: str) -> None:
        self.complaints.append(complaint_at(OFFERS, self._document, location, message))


def _tags(offer: Any) -> list[str]:
    tags = offer.get("tags") if isinstance(offer, dict) else None
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
