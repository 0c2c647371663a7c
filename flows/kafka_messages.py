"""What a key group told, as messages for topics: where each goes, under which key and with which headers."""

from collections.abc import Iterable
from typing import Any

from operators.key_group import Out
from operators.records import ACTIONS, PROFILES, REJECTED
from state.delivery import Message


class Messages:
    """The messages of one epoch in the order in which they came up; of each customer's profile, the last alone."""

    def __init__(self, events_topic: str) -> None:
        """Begin with none; rejected records came from `events_topic`."""
        self._events_topic = events_topic
        self._profiles: dict[str, Message] = {}
        self._others: list[Message] = []
        self.bytes = 0
        """Payload, roughly; profiles that were replaced are still counted."""

    def add(self, records: Iterable[Out]) -> None:
        """Take in what came out of a key group."""
        for topic, key, _, value, details in records:
            self.bytes += len(value) + 100
            if topic == PROFILES:
                self._profiles[key] = Message(topic, key, value)
            elif topic == REJECTED:
                assert details is not None  # noqa: S101 - a rejected record always has them
                self._others.append(Message(topic, details["key"], value, self._place(details)))
            elif topic.startswith(ACTIONS):
                self._others.append(Message(topic, key, value, [("action_id", _action_id(value))]))
            else:
                self._others.append(Message(topic, key, value))

    def take(self, with_profiles: bool) -> list[Message]:
        """What there is, to be forgotten here; profiles wait for the end of the epoch."""
        taken, self._others = self._others, []
        if with_profiles:
            taken += self._profiles.values()
            self._profiles = {}
            self.bytes = 0
        return taken

    def _place(self, details: dict[str, Any]) -> list[tuple[str, bytes]]:
        found = {
            "reason": details["reason"],
            "message": details["message"],
            "topic": self._events_topic,
            "partition": details["group"],
            "offset": details["position"],
        }
        return [(name, str(value).encode(errors="replace")) for name, value in found.items()]


def _action_id(value: bytes) -> bytes:
    """The id in an action's bytes: keys are sorted, so it comes first."""
    start = len(b'{"action_id":"')
    return value[start : start + 32]
