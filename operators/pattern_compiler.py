"""Patterns as written, compiled: expressions and paths to code, durations to ms, elements to roles of events.

Called by `operators.plan` once per journey, for definitions that `operators.pattern_definitions` found no mistake in.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from xxhash import xxh3_64_intdigest

from operators.durations import parse_duration
from operators.events import Event
from operators.expressions import Expression, compile_expression
from operators.moment import Moment
from operators.paths import Path, compile_path
from operators.pattern import Pattern
from operators.pattern_absence import Absence
from operators.pattern_definitions import ELEMENT_NAMES, ENTER_NAMES, STATIC_NAMES, Element, PatternFields
from operators.pattern_one import Look, OneElement
from operators.pattern_repeats import ELEMENT, FORBIDDEN, Repeats, token_of
from operators.pattern_search import Part, Shape, Without
from operators.pattern_sequence import Elements, Role, Token
from operators.records import storable, to_json

SETTLE = "1m"
"""How long an absence waits at least after its last event was read: a device that was offline sends all it has at once."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def compile_pattern(enter: PatternFields, journey: dict[str, Any], *, reads_events: bool) -> Pattern:
    """Compile what enters.

    Args:
        enter: As written.
        journey: What expressions see as `journey`.
        reads_events: Whether more than the ids of matched events is read later (templates, the key).
    """
    return _Compiler(enter, journey, reads_events).pattern()


class _Compiler:
    """The compilation of one pattern."""

    def __init__(self, enter: PatternFields, journey: dict[str, Any], reads_events: bool) -> None:
        self.enter = enter
        self.journey = journey
        self.elements = enter.elements
        self.as_names = tuple(element.as_ for element in self.elements if element.as_)
        self.within = parse_duration(enter.within) if enter.within else 0
        self.max_age = parse_duration(enter.max_age)
        self.where = compile_expression(enter.where, (*ENTER_NAMES, *self.as_names)) if enter.where else None
        self.expressions: list[tuple[Expression, bool]] = []
        """Each `where`, and whether it is `enter`'s."""
        if self.where is not None:
            self.expressions.append((self.where, True))
        self.reads_events = reads_events

    def pattern(self) -> Pattern:
        """One of the two machines."""
        element = self.elements[0]
        # A bare event with a `where` that reads nothing of the match is an element with that `where`.
        first_where = self._where(element.where) or (self.where if self.enter.pattern is None else None)
        without = element.without
        forbids_where = self._where(without.where) if without else None
        static = all(is_static(one) for one in (first_where, forbids_where, self.where))
        if len(self.elements) == 1 and static and not element.distinct and not element.strict:
            return self._one(element, first_where, forbids_where)
        return self._several()

    def _one(self, element: Element, where: Expression | None, forbids_where: Expression | None) -> OneElement:
        without = element.without
        by = _path(element.by)
        assert element.event is not None  # noqa: S101 - an element of no event is refused
        wants = Look(ELEMENT, where, by)
        looks: dict[str, Look] = {}
        if without is not None:
            anywhere = without.by == "any" and by is not None
            forbids_by = None if anywhere else (_path(without.by) if by is not None and without.by else by)
            forbids = Look(FORBIDDEN, forbids_where, forbids_by, anywhere)
            looks = dict.fromkeys(without.event, forbids)
        for name in element.event:
            also = looks.get(name)
            looks[name] = Look(ELEMENT, where, by, also=also) if also is not None else wants
        least = element.times.least
        return OneElement(
            Repeats(
                times=least,
                within=self.within,
                max_age=self.max_age,
                without=without.over if without else None,
                keeps_contents=least > 1,
            ),
            looks,
            journey=self.journey,
            mark=self._mark(self.reads_events),
            where=None if where is self.where else self.where,
            as_name=element.as_,
            keeps_whole_events=self.reads_events,
            skips=self.enter.skip != "none",
            warnings=self._warnings(),
        )

    def _several(self) -> Elements:
        roles: dict[str, list[Role]] = {}
        parts: list[Part] = []
        windows: list[Without] = []
        distinct: list[Token] = []
        absence, absent = None, None
        last = max(index for index, element in enumerate(self.elements) if element.absent is None)
        for index, element in enumerate(self.elements):
            bit = 1 << index
            where, by = self._where(element.where), self._by(index, element)
            static, deferred = (where, None) if is_static(where) else (None, where)
            if element.absent is not None:
                _add(roles, element.absent, Role(bit, static, by))
                absent = Without(bit, deferred)
                absence = Absence(bit, parse_duration(element.for_), parse_duration(element.settle or SETTLE))
                continue
            differs = -1
            if element.distinct:
                differs = len(distinct)
                distinct.append(_day if element.distinct == "day" else _value_token(compile_path(element.distinct)))
            _add(roles, element.event or [], Role(bit, static, _path(element.by), differs))
            forbids = self._without(index, element, roles)
            if forbids is not None and element.without is not None and element.without.over == "window":
                windows.append(forbids)
                forbids = None
            parts.append(
                Part(
                    bit=bit,
                    least=element.times.least,
                    # A final `at_least: n` matches at the nth.
                    most=element.times.least if index == last else element.times.most,
                    optional=element.optional,
                    strict=element.strict,
                    where=deferred,
                    distinct=differs,
                    as_name=element.as_,
                    without=forbids,
                )
            )
        where = None if absence is not None or is_static(self.where) else self.where
        shape = Shape(
            parts=parts,
            within=self.within,
            windows=windows,
            absent=absent,
            where=where,
            forgets=not distinct and all(_reads_only_ends(*one) for one in self.expressions),
            where_reads_ends=where is not None and _reads_only_ends(where, True),
            reads_first=not all(is_static(one) or one.names <= {*STATIC_NAMES, "entry"} for one, _ in self.expressions),
        )
        deferred_any = not all(is_static(one) for one, _ in self.expressions)
        wild = any(role.by is None for these in roles.values() for role in these)
        apart = absence is not None or is_static(self.where)
        # The value of an event that has none is that of another event of the match, and that is the key.
        keeps_whole_events = self.reads_events or deferred_any or (wild and self.enter.key is not None)
        return Elements(
            shape,
            {name: tuple(these) for name, these in roles.items()},
            max_age=self.max_age,
            mark=self._mark(keeps_whole_events),
            journey=self.journey,
            absence=absence,
            distinct=distinct,
            sees_all=any(part.strict for part in parts),
            keeps_whole_events=keeps_whole_events,
            where=self.where if apart else None,
            skips=self.enter.skip != "none",
            warnings=self._warnings(),
        )

    def _without(self, index: int, element: Element, roles: dict[str, list[Role]]) -> Without | None:
        without = element.without
        if without is None:
            return None
        bit = 1 << (len(self.elements) + index)
        where = self._where(without.where)
        by = None if without.by == "any" else _path(without.by) or self._nearest(index)
        if not any(one.by for one in self.elements if one.absent is None):
            by = None
        static, deferred = (where, None) if is_static(where) else (None, where)
        _add(roles, without.event, Role(bit, static, by))
        return Without(bit, deferred)

    def _by(self, index: int, element: Element) -> Path | None:
        """The path of an absent event's value."""
        if element.absent is None or element.by == "any":
            return None
        return _path(element.by) or self._nearest(index)

    def _nearest(self, index: int) -> Path | None:
        """The `by` of the element nearest to one: its own, else that before it, else that after it."""
        near = sorted(range(len(self.elements)), key=lambda other: (abs(other - index), other > index))
        for other in near:
            element = self.elements[other]
            if element.by and element.absent is None:
                return compile_path(element.by)
        return None

    def _where(self, text: str | None) -> Expression | None:
        if not text:
            return None
        expression = compile_expression(text, (*ELEMENT_NAMES, *self.as_names))
        if all(expression != one for one, _ in self.expressions):
            self.expressions.append((expression, False))
        return expression

    def _mark(self, keeps_whole_events: bool) -> int:
        """See `operators.pattern.begin_anew`; never 0, which is before any."""
        elements = [
            element.model_dump(mode="json", by_alias=True, exclude={"for_", "settle"}) for element in self.elements
        ]
        return xxh3_64_intdigest(to_json(storable([keeps_whole_events, elements]))) or 1

    def _warnings(self) -> tuple[str, ...]:
        found = [f"where {one.text!r}: {warning}" for one, _ in self.expressions for warning in one.warnings]
        first = self.elements[0]
        if first.without is not None and first.without.over == "span" and first.times.most == 1:
            found.append(
                "`without` on a first element of one event has nothing to look at; write `over: window` to look back from it"
            )
        return tuple(dict.fromkeys(found))


def is_static(expression: Expression | None) -> bool:
    """Whether an expression reads nothing of the match: it is decided once, when the event is read."""
    return expression is None or set(expression.names) <= {*STATIC_NAMES}


def _reads_only_ends(expression: Expression, of_enter: bool) -> bool:
    """Whether an expression reads at most the ends of a match, which the search has in view, and not the way between."""
    ends = {"first", "entry"} if of_enter else {"first"}
    return set(expression.names) <= {*STATIC_NAMES, *ends}


def _add(roles: dict[str, list[Role]], names: Sequence[str], role: Role) -> None:
    for name in dict.fromkeys(names):
        roles.setdefault(name, []).append(role)


def _path(text: str | None) -> Path | None:
    return compile_path(text) if text and text != "any" else None


def _value_token(path: Path) -> Token:
    def token(event: Event, _moment: Moment) -> str | None:
        values = path.values(event)
        return token_of(values[0]) if values else None

    return token


def _day(event: Event, moment: Moment) -> str | None:
    """The day of an event in the customer's zone, as known when it is read."""
    at = _EPOCH + timedelta(milliseconds=min(event.time, moment.now))
    return at.astimezone(moment.customer_zone).date().isoformat()
