"""What `sojourn profile` shows: all that is known of one customer, as tables or as JSON.

The state has what was remembered; what follows from it - traits, segments, how the customer is reached - is worked out with the
definitions that the state has, as of the clock of the customer's key group.
"""

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import orjson
from rich.markup import escape
from rich.table import Table

from flows.state_shown import console, instant, shown
from operators.activity import HOURS
from operators.best_channel import smoothed
from operators.moment import Moment
from operators.outcomes import answers_of
from operators.plan import Plan, plan_of
from operators.workspace_json import read_workspace_json
from state.codec import decode_touches
from state.customer import Customer
from state.errors import StateError
from state.feedback import Feedback
from state.keygroups import group_of
from state.look import CustomerLook, group_directories, look, look_at_customer


class KnownCustomer:
    """One customer, as the state has them."""

    def __init__(self, customer_id: str, found: CustomerLook, customer: Customer) -> None:
        """Work out what follows from what is remembered.

        Raises:
            DefinitionsError: This version cannot read the definitions of the state.
        """
        self.id = customer_id
        self.meta = found.meta
        self.customer = customer
        self.plan: Plan | None = None
        """Of the definitions in use; None where the state has not kept them."""
        self.record: dict[str, Any] = {}
        """What the topic `profiles` would have now."""
        if found.definitions is None:
            return
        plan = self.plan = plan_of(read_workspace_json(found.definitions))
        seq = customer.seq
        moment = Moment(customer, customer_id, [], plan.zone, plan.traits, plan.gates, plan.layers)
        moment.now = found.meta.now
        if plan.traits is not None and not plan.traits.is_ready(customer.traits):
            customer.traits = plan.traits.ready(customer.traits, customer.profile, moment.now, moment.customer_zone)
        self.record = moment.profile_record()
        self.record["seq"] = customer.seq = seq


def find_customer(directory: Path, customer_id: str) -> KnownCustomer:
    """A customer, in the state of a job or of a replay.

    Raises:
        StateError: There is no state, it cannot be read, or it does not know the customer.
    """
    paths = group_directories(directory)
    with tempfile.TemporaryDirectory(prefix="sojourn-look-", ignore_cleanup_errors=True) as scratch:
        groups = look(paths[0], Path(scratch)).meta.groups
    group = group_of(customer_id.encode(), groups)
    for path in paths:
        if path.name == f"group-{group:05}":
            with tempfile.TemporaryDirectory(prefix="sojourn-look-", ignore_cleanup_errors=True) as scratch:
                found = look_at_customer(path, customer_id, Path(scratch))
            if found.customer is not None:
                return KnownCustomer(customer_id, found, found.customer)
    raise StateError(
        f"{directory} knows no customer {customer_id!r} (it would be in key group {group} of {groups}); a customer id is the `userId`, "
        "or `anon:` and the `anonymousId`"
    )


def customer_json(known: KnownCustomer) -> bytes:
    """The profile as other systems read it, and all that is stored under the names of `state.customer`; times there are ms."""
    found = {
        "customer_id": known.id,
        "group": known.meta.group,
        "position": known.meta.position,
        "clock": instant(known.meta.now),
        "profile": known.record,
        "record": named(known.customer),
    }
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def show_customer(known: KnownCustomer) -> None:
    """What a person asks first: who they are, how they are reached, how they answer, where they are, and what comes next."""
    customer, meta, terminal = known.customer, known.meta, console()
    terminal.print(
        f"[bold]{escape(known.id)}[/bold]  key group {meta.group} of {meta.groups}, as of log time {shown(meta.now)}"
    )
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    _add_profile(table, known)
    _add_feedback(table, known)
    for journey, runs in sorted(customer.runs.items()):
        for run in runs:
            where = f"at {run.step} since {shown(run.since)}" if run.step else "over, watched for its goal"
            table.add_row(
                "run", escape(journey), escape(f"version {run.version}, entered {shown(run.entered_at)}, {where}")
            )
    for name, due in sorted(customer.timers.items(), key=lambda timer: (timer[1], timer[0])):
        table.add_row("timer", shown(due), escape(name.replace("\0", " ")))
    for channel, tags in sorted(customer.holds.items()):
        for tag, holders in sorted(tags.items()):
            table.add_row("held back", escape(channel), escape(f"{tag or 'every message'}, by {len(holders)}"))
    table.add_row("records told", str(customer.seq), "")
    table.add_row("message ids kept", str(len(customer.seen)), "")
    terminal.print(table)
    terminal.print("All that is stored: --json", style="dim")


def _add_profile(table: Table, known: KnownCustomer) -> None:
    customer, record = known.customer, known.record
    since = customer.known.at if customer.known is not None else {}
    for name, value in sorted(customer.profile.items()):
        told = f"  (since {shown(since[name])})" if name in since else ""
        table.add_row("attribute", escape(name), escape(_text(value) + told))
    if customer.known is not None:
        for ms, group, given, cause in customer.known.consent_log[-5:]:
            table.add_row("consent", escape(group), escape(f"{_text(given)} at {shown(ms)}, by {cause}"))
    for name in ("timezone", "locale"):
        if record.get(name):
            table.add_row(name, escape(record[name]), "")
    for name, value in sorted(record.get("traits", {}).items()):
        table.add_row("trait", escape(name), escape(_text(value)))
    for name in record.get("segments", ()):
        table.add_row("segment", escape(name), "")
    for channel, state in sorted(record.get("reachability", {}).items()):
        table.add_row("reached by", escape(channel), escape(state))


def _add_feedback(table: Table, known: KnownCustomer) -> None:
    customer = known.customer
    for channel, at in sorted(customer.contacts.items()):
        table.add_row("last contact", escape(channel), shown(at))
    feedback = customer.feedback
    if feedback is None:
        return
    rates = known.plan.gates.answer_rates if known.plan is not None else {}
    for channel in sorted(feedback.answers):
        sent, answered = answers_of(customer, channel, known.meta.now)
        rate = smoothed(sent, answered, rates.get(channel, 2_000)) / 1e6
        table.add_row("answers", escape(channel), f"{answered} of {sent} in 90 days, smoothed {rate:.1%}")
    for touch in decode_touches(feedback.recent)[-10:]:
        came = ", ".join(touch.outcomes) or "nothing yet"
        told = f"{shown(touch.sent_at)} {touch.journey}/{touch.step}: {came}"
        table.add_row("message", escape(touch.channel), escape(told))
    if any(feedback.hours):
        table.add_row("active", "", _active(feedback))


def _active(feedback: Feedback) -> str:
    """The hours of most activity, local."""
    hours = feedback.hours[:HOURS]
    best = sorted(range(HOURS), key=lambda hour: (-hours[hour], hour))[:3]
    return ", ".join(f"{hour:02}:00 {hours[hour] / sum(hours):.0%}" for hour in best if hours[hour])


def named(value: Any) -> Any:
    """Stored records as dictionaries by field, all the way down."""
    if isinstance(value, msgspec.Struct):
        fields = {name: named(getattr(value, name)) for name in value.__struct_fields__}
        if isinstance(value, Feedback):
            fields["recent"] = named(decode_touches(value.recent))
        return fields
    if isinstance(value, dict):
        return {key: named(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [named(each) for each in value]
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
