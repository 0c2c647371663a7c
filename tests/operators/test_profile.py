"""What is known of a customer: attributes by time, consent by group with its history, zone and locale."""

from operators.profile import CONSENT_LOG_MAX, CONSENTS_MAX
from tests.operators.life import DAY, HOUR, T0, Life, iso

PLAIN = "journey: j\nenter: {event: A, again: always}\nsteps: [{id: s, send: email, template: t}]"


def profile(life):
    """The last record of it."""
    return [record for topic, record in life.told if topic == "profiles"][-1]


def test_what_happened_earlier_and_is_read_later_overwrites_nothing():
    """Attribute by attribute; that it came too late is told."""
    life = Life(PLAIN)
    life.identify(plan="a", city="Bonn")
    life.identify(DAY, plan="b")
    life.does("identify", HOUR, kind="identify", time=T0 + HOUR, plan="c", city="Ulm")
    assert life.customer.profile == {"plan": "b", "city": "Ulm"}
    assert life.fact("not_stored")["attributes"] == ["plan"]
    assert profile(life)["attributes_at"] == {"plan": iso(T0 + DAY), "city": iso(T0 + HOUR)}


def test_who_says_the_same_again_says_that_it_still_holds():
    """So an event between the two is older than what is known."""
    life = Life(PLAIN)
    life.identify(plan="a")
    life.identify(DAY, plan="a")
    life.does("identify", HOUR, kind="identify", time=T0 + HOUR, plan="c")
    assert life.customer.profile == {"plan": "a"}


def test_of_two_at_one_time_the_last_one_read_holds():
    """As in the log."""
    life = Life(PLAIN)
    life.identify(plan="a")
    life.identify(plan="b")
    assert life.customer.profile == {"plan": "b"}


def test_a_time_in_the_future_is_now():
    """A clock that runs ahead keeps nobody from being known better."""
    life = Life(PLAIN)
    life.does("identify", kind="identify", time=T0 + 12 * HOUR, plan="a")
    life.identify(HOUR, plan="b")
    assert life.customer.profile == {"plan": "b"}


def test_the_context_of_any_event_tells_of_the_customer():
    """Traits, time zone and locale; what is none of them is let be."""
    life = Life(PLAIN)
    life.does("A", context={"traits": {"plan": "a"}, "locale": "de-DE", "timezone": "Europe/Paris", "page": {}})
    life.does("A", HOUR, context={"traits": "no", "locale": "x" * 99, "timezone": "Middle-earth/Shire"})
    life.does("A", HOUR, context={"traits": {}, "locale": 7, "timezone": 7})
    assert life.customer.profile == {"plan": "a"}
    record = profile(life)
    assert (record["timezone"], record["locale"]) == ("Europe/Paris", "de-DE")


def test_an_older_context_moves_nobody():
    """Zone and locale are of the event that happened last."""
    life = Life(PLAIN)
    life.does("A", context={"locale": "de-DE", "timezone": "Europe/Paris"})
    life.does("A", DAY, context={"locale": "de-DE", "timezone": "Europe/Paris"})
    life.does("A", HOUR, time=T0 + HOUR, context={"locale": "fr-FR", "timezone": "Europe/London"})
    assert (life.customer.zone, life.customer.known.locale) == ("Europe/Paris", "de-DE")


def test_nothing_more_is_kept_of_who_says_nothing():
    """Most customers never identify."""
    life = Life(PLAIN)
    life.does("A", context={"page": {"url": "x"}})
    assert life.customer.known is None


def test_consent_is_by_group():
    """Who says something of e-mail says nothing of the rest; each has its own time."""
    life = Life(PLAIN)
    life.identify(consents={"email": True, "sms": True})
    life.identify(DAY, consents={"email": False})
    life.does("identify", HOUR, kind="identify", time=T0 + HOUR, consents={"email": True, "sms": False})
    assert life.customer.profile == {"consents": {"email": False, "sms": False}}
    assert life.fact("not_stored")["attributes"] == ["consents.email"]
    assert [(one["at"], one["group"], one["given"], one["caused_by"]) for one in profile(life)["consent_history"]] == [
        (iso(T0), "email", True, "m1"),
        (iso(T0), "sms", True, "m1"),
        (iso(T0 + DAY), "email", False, "m2"),
        (iso(T0 + HOUR), "sms", False, "m3"),
    ]


def test_consents_that_are_no_mapping_leave_those_that_are_known():
    """And that is told: nobody's consent is lost by a slip."""
    life = Life(PLAIN)
    life.identify(consents={"email": True})
    life.identify(HOUR, consents="all", plan="a")
    assert life.customer.profile == {"consents": {"email": True}, "plan": "a"}
    assert "mapping" in life.fact("not_stored")["reason"]


def test_steps_set_attributes_at_their_own_time():
    """What a step sets is newer than what happened before it."""
    life = Life("journey: j\nenter: {event: A}\nsteps: [{set: {plan: gold, consents: {email: true}}}]")
    life.identify(consents={"sms": True})
    life.does("A", DAY)
    life.does("identify", HOUR, kind="identify", time=T0 + HOUR, plan="late")
    assert life.customer.profile == {"plan": "gold", "consents": {"sms": True, "email": True}}


def test_consents_and_their_history_are_bounded():
    """Further groups are not taken in; of the history the oldest goes first."""
    life = Life(PLAIN)
    life.identify(consents={f"g{number}": True for number in range(CONSENTS_MAX + 5)})
    assert len(life.customer.profile["consents"]) == CONSENTS_MAX
    for number in range(9):
        life.identify(HOUR, consents={"g0": number % 2 == 1})
    log = life.customer.known.consent_log
    assert len(log) == CONSENT_LOG_MAX
    assert [given for _, group, given, _ in log if group == "g0"][-9:] == [False, True] * 4 + [False]


def test_the_time_zone_of_a_profile_is_what_the_customer_said():
    """Else that of the last event that named one; a name that is none is not given."""
    life = Life(PLAIN)
    life.identify(plan="a")
    assert profile(life)["timezone"] is None
    life.does("A", context={"timezone": "Europe/Paris"})
    assert profile(life)["timezone"] == "Europe/Paris"
    life.identify(timezone="Asia/Tokyo")
    assert profile(life)["timezone"] == "Asia/Tokyo"
    life.identify(timezone="Nowhere")
    assert profile(life)["timezone"] == "Europe/Paris"


def test_a_profile_tells_how_the_customer_is_reached():
    """By channel that has addresses."""
    reach = "timezone: UTC\nchannels: {email: {address: profile.email}, sms: {address: profile.phone}, ads: {}}"
    life = Life(PLAIN, orchestration=reach)
    life.identify(email="a@example.org", phone="none")
    assert profile(life)["reachability"] == {"email": "reachable", "sms": "no_address"}
    life.does("Email Bounced")
    life.identify(plan="a")
    assert profile(life)["reachability"] == {"email": "bounced", "sms": "no_address"}
