"""The gates between a message and its channel: each stops what it should, in their order, and says so."""

import pytest

from tests.operators.life import DAY, HOUR, Life, at
from tests.operators.test_arbitration import decided, journey, send

CHANNELS = """timezone: Europe/Berlin
channels:
  email: {address: profile.email, consent: email_marketing, quiet: "21:00-08:00"}
  push: {address: profile.push_token}
  sms: {address: profile.phone}
  in_app: {}
  call_center: {open: "mon-fri 09:00-18:00", zone: workspace}
bypass: [transactional]
"""
REACHABLE = {"email": "a@example.org", "consents": {"email_marketing": True}}


def life_of(*steps, more="", profile=REACHABLE, tags="[news]", channels=CHANNELS, **others):
    life = Life(journey("j", *steps, tags=tags, **others), orchestration=channels + more)
    if profile:
        life.identify(**profile)
    return life


def stopped(life):
    """(channel, gate, then) of what was withheld."""
    return [(one["channel"], one["gate"], one["then"]) for one in life.facts if one["fact"] == "withheld"]


# --- reachability


def test_the_address_goes_with_the_action():
    """In `to`, by the channel."""
    life = life_of(send("s"))
    life.does("A")
    assert life.actions[0]["to"] == {"email": "a@example.org"}


@pytest.mark.parametrize(
    "email", [None, "", "  ", "none", "a@", "@b", "a b@c", True, ["a@b"], {"a": 1}, 7, "x" * 5_000]
)
def test_what_is_no_address_is_none(email):
    """The message is withheld: `unreachable`, and why."""
    life = life_of(send("s"), profile={**REACHABLE, "email": email})
    life.does("A")
    assert life.actions == []
    assert stopped(life) == [("email", "unreachable", "dropped")]
    assert life.fact("withheld")["reason"] == "no_address"


@pytest.mark.parametrize(("phone", "to"), [("+49 171 1234567", "+49 171 1234567"), (491711234567, "491711234567")])
def test_a_phone_number_may_have_been_read_as_a_number(phone, to):
    """As YAML and JSON read it."""
    life = life_of(send("s", channel="sms"), profile={"phone": phone})
    life.does("A")
    assert life.actions[0]["to"] == {"sms": to}


def test_an_address_that_bounced_is_none_until_it_is_another():
    """And no other channel is touched by it."""
    life = life_of(send("s", channel="[email, in_app]"))
    life.customer.bounced["email"] = "a@example.org"
    life.does("A")
    assert stopped(life) == [("email", "unreachable", "next_channel")]
    assert [(one["channel"], one["to"]) for one in life.actions] == [("in_app", {})]
    life.identify(email="b@example.org")
    life.does("A")
    assert life.actions[-1]["to"] == {"email": "b@example.org"}


# --- consent


@pytest.mark.parametrize("given", [None, False, "yes", 1, "true"])
def test_only_true_is_consent(given):
    """Unknown consent is consent not given."""
    life = life_of(send("s"), profile={"email": "a@example.org", "consents": {"email_marketing": given}})
    life.does("A")
    assert stopped(life) == [("email", "consent", "dropped")]
    assert life.fact("withheld")["group"] == "email_marketing"


@pytest.mark.parametrize("consents", [{}, {"consents": None}, {"consents": "all"}, {"consents": {"other": True}}])
def test_consent_that_nothing_is_known_of_is_not_given(consents):
    """Whatever stands in its place."""
    life = life_of(send("s"), profile={"email": "a@example.org", **consents})
    life.does("A")
    assert stopped(life) == [("email", "consent", "dropped")]
    assert life.fact("withheld")["reason"] == "unknown"


def test_a_transactional_message_needs_no_consent_for_marketing_but_an_address():
    """`bypass` does what it should and nothing more."""
    life = life_of(send("s"), tags="[transactional]", profile={"email": "a@example.org"})
    life.does("A")
    assert life.sent == ["s"]
    life = life_of(send("s"), tags="[transactional]", profile={})
    life.does("A")
    assert stopped(life) == [("email", "unreachable", "dropped")]


# --- suppression


def test_a_rule_holds_back_what_has_its_tag():
    """While its condition holds; on the channels that it names."""
    more = "suppress: [{when: profile.open_ticket, tag: news, channel: [email]}]\n"
    life = life_of(send("s", channel="[email, in_app]"), send("t", channel="in_app"), more=more)
    life.does("A")
    life.identify(open_ticket=True)
    life.does("A")
    assert [(one["step"], one["channel"]) for one in life.actions] == [
        ("s", "email"), ("t", "in_app"), ("s", "in_app"), ("t", "in_app"),
    ]  # fmt: skip
    assert stopped(life) == [("email", "suppressed", "next_channel")]
    assert life.fact("withheld")["rule"] == "profile.open_ticket"


def test_a_rule_may_read_segments():
    """They are kept for it, though no journey reads them."""
    more = "suppress: [{when: '\"sad\" in segments', tag: [news, other]}]\n"
    segments = "sad: profile.mood == 'bad'"
    life = Life(journey("j", send("s")), orchestration=CHANNELS + more, segments=segments)
    life.identify(**REACHABLE, mood="bad")
    life.does("A")
    assert stopped(life) == [("email", "suppressed", "dropped")]


def test_a_transactional_message_is_suppressed_like_any_other():
    """Suppression is no matter of marketing alone."""
    more = "suppress: [{when: profile.stop}]\n"
    life = life_of(send("s"), tags="[transactional]", more=more, profile={**REACHABLE, "stop": True})
    life.does("A")
    assert stopped(life) == [("email", "suppressed", "dropped")]


# --- quiet hours


def test_in_quiet_hours_a_message_waits_for_their_end():
    """The run stands at its step, goes on from there, and `event` is still what moved it."""
    with_event = ", with: {n: '{{ event.properties.n }}'}"
    life = life_of(
        send("s", more=with_event), "{id: n, send: in_app, template: t, with: {m: '{{ event.properties.n }}'}}"
    )
    life.until(at("2026-01-05T22:00:00Z"))
    life.does("A", n=7)
    assert life.actions == []
    assert stopped(life) == [("email", "quiet_hours", "deferred")]
    assert life.fact("withheld")["until"] == "2026-01-06T07:00:00.000Z"
    assert life.story[-1] == "withheld s"
    assert life.customer.runs["j"][0].step == "s"
    life.later(DAY)
    assert [(one["step"], one["decided_at"], one["with"]) for one in life.actions] == [
        ("s", "2026-01-06T07:00:00.000Z", {"n": 7}),
        ("n", "2026-01-06T07:00:00.000Z", {"m": 7}),
    ]
    assert life.actions[0]["caused_by"] == "timer:s@2026-01-06T07:00:00.000Z"
    assert life.customer.timers == {}
    assert "j" not in life.customer.runs


def test_after_quiet_hours_all_gates_are_passed_again():
    """Consent that was withdrawn in the night is not given."""
    life = life_of(send("s", channel="[email, in_app]"))
    life.until(at("2026-01-05T22:00:00Z"))
    life.does("A")
    life.identify(consents={"email_marketing": False})
    life.later(DAY)
    assert [one["channel"] for one in life.actions] == ["in_app"]
    assert stopped(life) == [("email", "quiet_hours", "deferred"), ("email", "consent", "next_channel")]


def test_an_exit_cancels_a_message_that_waits():
    """It acts at the event."""
    life = Life(journey("j", send("s"), more="exit: [{event: B}]"), orchestration=CHANNELS)
    life.identify(**REACHABLE)
    life.until(at("2026-01-05T22:00:00Z"))
    life.does("A")
    life.does("B", HOUR)
    assert life.story[-1] == "exited B"
    assert life.later(DAY) == []
    assert life.customer.timers == {}


def test_on_the_way_out_a_message_may_wait_and_no_exit_stops_it_again():
    """The run is over but for that; the customer may enter again, and the goal counts."""
    more = "goal: {event: G}\nexit: [{event: B, do: [{id: bye, send: email, template: t}]}]"
    life = Life(journey("j", "{id: w, wait: 9d}", more=more), orchestration=CHANNELS)
    life.identify(**REACHABLE)
    life.until(at("2026-01-05T22:00:00Z"))
    life.does("A")
    life.does("B")
    life.does("B", HOUR)
    life.does("A")
    life.does("G", 1)
    life.later(DAY)
    assert life.sent == ["bye"]
    assert life.count("converted") == 2
    reasons = [(one["reason"], one["at"]) for one in life.facts if one["fact"] == "exited"]
    assert reasons == [("B", "2026-01-06T07:00:00.000Z")]
    assert [run.step for run in life.customer.runs["j"]] == ["w"]  # both goals are met


def test_the_clock_is_the_customers():
    """Their zone decides, also the one they moved to while the message waited."""
    life = life_of(send("s"), profile={**REACHABLE, "timezone": "Asia/Tokyo"})
    life.until(at("2026-01-05T12:30:00Z"))  # 21:30 in Tokyo
    life.does("A")
    assert life.fact("withheld")["until"] == "2026-01-05T23:00:00.000Z"
    life.identify(timezone="America/New_York")
    life.later(DAY)
    assert [one["decided_at"] for one in life.actions] == ["2026-01-05T23:00:00.000Z"]  # 18:00 in New York


def test_an_unknown_zone_is_that_of_the_workspace():
    """Never no quiet hours."""
    life = life_of(send("s"), profile={**REACHABLE, "timezone": "Mars/Phobos"})
    life.until(at("2026-01-05T20:00:00Z"))
    life.does("A")
    assert life.fact("withheld")["until"] == "2026-01-06T07:00:00.000Z"


def test_opening_hours_are_those_of_the_workspace_where_it_says_so():
    """After Friday at 18:00 comes Monday at nine."""
    profile = {"timezone": "America/New_York"}
    life = life_of(send("s", channel="call_center"), profile=profile)
    life.until(at("2026-01-09T17:00:00Z"))
    life.does("A")
    assert stopped(life) == [("call_center", "quiet_hours", "deferred")]
    assert life.fact("withheld")["until"] == "2026-01-12T08:00:00.000Z"
    life.later(4 * DAY)
    assert life.sent == ["s"]


def test_a_transactional_message_goes_out_at_night():
    """Quiet hours are for the rest, and so are opening hours."""
    life = life_of(send("s"), send("t", channel="call_center"), tags="[news, transactional]")
    life.until(at("2026-01-05T22:00:00Z"))
    life.does("A")
    assert life.sent == ["s", "t"]


def test_a_message_that_would_have_expired_by_then_does_not_wait():
    """It is dropped at once, and the walk goes on."""
    life = life_of(send("s", more=", expires: 5h"), send("n", channel="in_app"))
    life.until(at("2026-01-05T22:00:00Z"))
    life.does("A")
    assert stopped(life) == [("email", "quiet_hours", "dropped")]
    assert life.sent == ["n"]


def test_an_expiry_counts_from_reaching_the_step_however_long_it_waited():
    """Both the action and the gate say so."""
    life = life_of(send("s", more=", expires: 20h"))
    life.until(at("2026-01-05T22:00:00Z"))
    life.does("A")
    life.later(DAY)
    assert life.actions[0]["expires_at"] == "2026-01-06T18:00:00.000Z"


@pytest.mark.parametrize(
    ("asked", "until"),
    [
        ("2026-03-28T23:30:00Z", "2026-03-29T06:00:00.000Z"),  # the clock goes forward in this night
        ("2026-10-24T22:30:00Z", "2026-10-25T07:00:00.000Z"),  # and back in this one
    ],
)
def test_quiet_hours_end_by_the_clock_when_it_changes(asked, until):
    """08:00 is 08:00."""
    life = life_of(send("s"))
    life.until(at(asked))
    life.does("A")
    assert life.fact("withheld")["until"] == until


def test_a_local_time_of_a_step_that_is_quiet_waits_for_the_end_of_it():
    """`at` first, then the gates."""
    life = life_of(send("s", more=", at: '22:00'"))
    life.does("A")
    life.later(DAY)
    assert [one["decided_at"] for one in life.actions] == ["2026-01-06T07:00:00.000Z"]


# --- the order


def test_the_first_gate_that_stops_a_message_is_told():
    """reachability -> consent -> suppression -> caps -> quiet hours."""
    more = "suppress: [{when: profile.stop}]\ncaps: [{channel: email, max: 1, per: 7d}]\n"
    life = life_of(send("s"), more=more, profile={"stop": True})
    life.does("A")
    life.does("A", 9 * HOUR + 30 * 60_000)  # 20:30 in Berlin
    for hours, attributes in (
        (0, {"email": "a@example.org"}),
        (0, {"consents": {"email_marketing": True}}),
        (0, {"stop": False}),  # goes out
        (1, {}),  # the cap, and quiet
        (8 * 24, {}),  # quiet
    ):
        life.later(hours * HOUR)
        if attributes:
            life.identify(**attributes)
        life.does("A")
    assert [gate for _, gate, _ in stopped(life)] == [
        "unreachable", "unreachable", "consent", "suppressed", "cap", "quiet_hours",
    ]  # fmt: skip
    assert decided(life)[-1] == ("nothing", [("s", "quiet_hours")])


def test_the_expiry_and_the_exit_are_looked_at_before_all_gates():
    """Eligibility comes first."""
    life = life_of(send("s", more=", expires: 30m, at: '12:00'"), profile={})
    life.does("A")
    life.later(DAY)
    assert stopped(life) == [("email", "expired", "dropped")]


def test_the_template_is_looked_at_where_a_channel_is_open():
    """A message that cannot be written wins nothing."""
    life = Life(
        journey("a", send("s", 9, channel="in_app", more=", with: {x: '{{ profile.name }}'}")),
        journey("b", send("t", 1, channel="in_app")),
        orchestration=CHANNELS + "conflicts: {tag: news}\n",
    )
    life.does("A")
    assert life.sent == ["t"]
    assert decided(life) == [("t", [("s", "template"), ("t", None)])]


def test_a_message_that_waits_goes_over_to_a_newer_version_where_nobody_kept_the_older():
    """It goes out at the time that was told; its expiry counts from when it was reached."""
    life = life_of(send("s", more=", expires: 20h"))
    life.until(at("2026-01-05T22:00:00Z"))
    life.does("A")
    newer = journey("j", send("s", more=", expires: 20h"), more="version: 2")
    life.renew(newer, orchestration=CHANNELS)
    life.does("B", HOUR)
    life.later(DAY)
    assert [(one["version"], one["decided_at"], one["expires_at"]) for one in life.actions] == [
        (2, "2026-01-06T07:00:00.000Z", "2026-01-06T18:00:00.000Z"),
    ]


def test_a_message_that_waits_leaves_by_the_version_that_says_so():
    """And does not go out any more."""
    life = life_of(send("s"))
    life.until(at("2026-01-05T22:00:00Z"))
    life.does("A")
    life.renew(journey("j", send("t"), more="version: 2\nmigrate: {s: exit}"), orchestration=CHANNELS)
    life.later(DAY)
    assert life.actions == []
    assert life.fact("exited")["reason"] == "migrated"
    assert life.customer.timers == {}
