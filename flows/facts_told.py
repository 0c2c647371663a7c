"""Facts and actions in words: one sentence for each, for people who were not there.

Written after the contract's table of facts. A fact that is not in it, and fields that nobody says anything about, are told
as they are: what is added to facts later must not be lost here.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

Record = Mapping[str, Any]

_ALWAYS = frozenset(
    (
        "fact",
        "at",
        "decided_at",
        "seq",
        "customer_id",
        "journey",
        "version",
        "instance",
        "step",
        "action_id",
        "caused_by",
    )
)
"""Fields that sentences have a place for, or that are ids."""

GATES = {
    "control": "the customer is in the control group, which is sent nothing",
    "suppressed": "another journey, or a rule, holds such messages back",
    "consent": "the customer has not consented to it",
    "unreachable": "there is no address that works",
    "cap": "the customer has had as many as are allowed",
    "quiet_hours": "it is quiet time where the customer is",
    "lower_priority": "a better message went out at the same moment",
    "expired": "it came too late to be of use",
    "template": "the template fails for this customer",
    "nothing": "to say nothing is worth as much",
    "eligibility": "the customer is not among those it is for",
}
"""What a gate means."""

NOT_ENTERED = {
    "reentry": "was in it before, and its `again` says not yet",
    "late": "the event was older than the journey takes",
    "no_key": "the event has no value for the journey's key",
    "cap": "the journey takes no more",
    "instances": "is in it as often as is possible at once",
}
"""What keeps a customer out of a journey."""

EXITS = {
    "completed": "went all the way",
    "goal": "the goal was met",
    "replaced": "entered anew, and this run made room",
    "merged": "became part of another customer",
    "migrated": "the new version of the journey ends it",
    "no_date": "the date to wait for is not there",
    "gone": "nobody knows this version of the journey any more",
}
"""Why a run ends; any other reason is the author's own word."""


def at_of(record: Record) -> str:
    """When it was said."""
    return str(record.get("at") or record.get("decided_at") or "")


def kind_of(record: Record) -> str:
    """The name of the fact, or the kind of the action."""
    return str(record.get("fact") or record.get("kind") or "record")


def sentence(record: Record) -> str:
    """The record in words, without its time and journey."""
    tell = _SENTENCES.get(kind_of(record))
    if tell is None:
        return f"{kind_of(record)}{rest(record)}"
    said, used = tell(record)
    return f"{said}{rest(record, used)}"


def rest(record: Record, used: tuple[str, ...] = ()) -> str:
    """The fields that no sentence has said, as they are."""
    left = {
        name: value
        for name, value in record.items()
        if name not in _ALWAYS and name not in used and value not in (None, [], {}, "")
    }
    return "".join(f", {name} {shown(value)}" for name, value in left.items())


def shown(value: Any) -> str:
    """A value as text."""
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def duration(ms: float) -> str:
    """A span as people say it, in its two largest units."""
    seconds = int(ms / 1000)
    if seconds < 1:
        return f"{int(ms)} ms"
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def candidate_name(candidate: Record) -> str:
    """A candidate of a decision, by what it would send."""
    place = "/".join(str(candidate[name]) for name in ("journey", "step") if candidate.get(name))
    name, step = candidate.get("name"), candidate.get("step")
    offer = f" {name}" if name and name != step else ""
    channel = f" by {candidate['channel']}" if candidate.get("channel") else ""
    return f"{place}{offer}{channel}".strip() or "nothing"


Said = tuple[str, tuple[str, ...]]
"""The sentence, and the fields that it has told."""


def _key(record: Record) -> str:
    return f" for {shown(record['key'])}" if record.get("key") is not None else ""


def _entered(record: Record) -> Said:
    return f"enters{_key(record)}", ("key",)


def _not_entered(record: Record) -> Said:
    reason = str(record.get("reason"))
    why = NOT_ENTERED.get(reason)
    return f"does not enter{_key(record)}: {reason}{f' ({why})' if why else ''}", ("key", "reason")


def _held_out(_: Record) -> Said:
    return "is in the control group: walks the journey, is sent nothing", ()


def _assigned(record: Record) -> Said:
    return f"experiment {record.get('name')}: gets arm {record.get('arm')}", ("name", "arm")


def _step(record: Record) -> Said:
    branch = record.get("branch")
    if "branch" in record:
        return f"reaches {record.get('step')}, takes {f'branch {branch}' if branch else 'no branch'}", ("branch",)
    return f"reaches {record.get('step')}", ()


def _waiting(record: Record) -> Said:
    return f"waits at {record.get('step')} until {record.get('until')}", ("until",)


def _resumed(record: Record) -> Said:
    branch = f", takes branch {record['branch']}" if record.get("branch") else ""
    return f"goes on from {record.get('step')} at {record.get('event')}{branch}", ("event", "branch")


def _timed_out(record: Record) -> Said:
    return f"the wait at {record.get('step')} is over, nothing came", ()


def _decided(record: Record) -> Said:
    candidates = record.get("candidates")
    count = len(candidates) if isinstance(candidates, list) else 0
    among = f" among {count} candidate{'s' * (count != 1)}" if count else ""
    return f"decides{among}: {shown(record.get('chosen') or 'nothing')}", ("candidates", "chosen", "nothing")


def _sent(record: Record) -> Said:
    kind = record.get("kind") or "send"
    if kind != "send":
        return f"tells {record.get('channel')} to {kind}", ("kind", "channel")
    template = f": {record['template']}" if record.get("template") else ""
    return f"sends by {record.get('channel')}{template}", ("kind", "channel", "template", "value")


def _withheld(record: Record) -> Said:
    gate, then = str(record.get("gate")), record.get("then")
    why = f" ({GATES[gate]})" if gate in GATES else ""
    later = f" until {record['until']}" if record.get("until") else ""
    return f"sends nothing by {record.get('channel')}: {gate}{why}; {then}{later}", ("gate", "then", "channel", "until")


def _exposed(record: Record) -> Said:
    return f"counts for {record.get('name')} from here on, as {record.get('arm')}", ("name", "arm")


def _outcome(record: Record) -> Said:
    what = record.get("outcome") or record.get("name")
    channel = f" by {record['channel']}" if record.get("channel") else ""
    return f"feedback on the message{channel}: {what}", ("outcome", "name", "channel")


def _converted(record: Record) -> Said:
    value = f", worth {shown(record['value'])}" if record.get("value") is not None else ""
    since = record.get("since_entry_ms")
    after = f" {duration(since)} after entry" if isinstance(since, (int, float)) else ""
    return f"meets the goal{after}{value}", ("value", "since_entry_ms", "key")


def _exited(record: Record) -> Said:
    reason = str(record.get("reason"))
    why = EXITS.get(reason)
    return f"leaves: {reason}{f' ({why})' if why else ''}", ("reason",)


def _late(record: Record) -> Said:
    return f"{record.get('event')} of {record.get('event_time')} came too late to count", ("event", "event_time")


def _duplicate(record: Record) -> Said:
    return f"{record.get('event')} came again, changes nothing", ("event", "first_seen_at")


def _send(record: Record) -> Said:
    values = f" with {shown(record['with'])}" if record.get("with") else ""
    used = ("kind", "channel", "template", "with", "tags", "expires_at", "to", "attempt", "profile")
    return f"action: {record.get('channel')}: {record.get('template')}{values}", used


def _hold(record: Record) -> Said:
    until = f" until {record['expires_at']}" if record.get("expires_at") else ""
    return f"action: {record.get('channel')}: {record.get('kind')}{until}", ("kind", "channel", "expires_at", "to")


_SENTENCES: dict[str, Callable[[Record], Said]] = {
    "entered": _entered,
    "not_entered": _not_entered,
    "held_out": _held_out,
    "assigned": _assigned,
    "step": _step,
    "waiting": _waiting,
    "resumed": _resumed,
    "timed_out": _timed_out,
    "decided": _decided,
    "sent": _sent,
    "withheld": _withheld,
    "exposed": _exposed,
    "outcome": _outcome,
    "converted": _converted,
    "exited": _exited,
    "late": _late,
    "duplicate": _duplicate,
    "send": _send,
    "suppress": _hold,
    "release": _hold,
}
