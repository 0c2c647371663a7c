"""Entry because something did not come: by a timer, at its deadline."""

from tests.operators.life import DAY, HOUR, MINUTE, T0, Life, iso, when

STOPPED = """
journey: stopped
enter:
  pattern:
    - {event: Checkout Started, by: properties.cart, as: checkout}
    - {absent: Order Completed, for: 1h}
  key: properties.cart
  again: after 7d
steps:
  - {id: s, send: email, template: t, with: {cart: "{{ checkout.properties.cart }}"}}
  - {id: w, wait: 1d}
  - {id: n, send: push, template: t, with: {cart: "{{ checkout.properties.cart }}"}}
"""


def test_it_enters_at_the_deadline_when_nothing_came():
    """Without an event; caused by the timer."""
    life = Life(STOPPED)
    life.does("Checkout Started", cart="c1")
    assert list(life.customer.timers) == ["stopped ~ c1"]
    life.later(HOUR)
    assert life.story[:3] == ["entered", "step s", "sent s"]
    assert when(life.actions[0]) == T0 + HOUR
    assert life.actions[0]["caused_by"] == f"timer:absent@{iso(T0 + HOUR)}"
    life.later(2 * DAY)
    assert [action["with"] for action in life.actions] == [{"cart": "c1"}, {"cart": "c1"}]
    assert life.customer.timers == {}


def test_what_comes_in_time_stops_it():
    """For its value alone; an event exactly at the deadline is too late."""
    life = Life(STOPPED)
    life.does("Checkout Started", cart="c1")
    life.does("Checkout Started", 10 * MINUTE, cart="c2")
    life.does("Order Completed", 10 * MINUTE, cart="c2")
    life.does("Order Completed", 40 * MINUTE, cart="c1")
    assert [fact["key"] for fact in life.facts if fact["fact"] == "entered"] == ["c1"]
    life.later(2 * DAY)
    assert life.count("entered") == 1


def test_each_further_one_sets_the_deadline_anew():
    """An hour after the last."""
    life = Life(STOPPED)
    life.does("Checkout Started", cart="c1")
    life.does("Checkout Started", 30 * MINUTE, cart="c1")
    life.later(HOUR)
    assert when(life.actions[0]) == T0 + 90 * MINUTE


def test_a_refused_entry_sends_nothing():
    """Re-entry is looked at when the deadline comes."""
    life = Life(STOPPED)
    life.does("Checkout Started", cart="c1")
    life.later(HOUR)
    life.does("Checkout Started", DAY, cart="c1")
    life.later(HOUR)
    assert life.count("entered") == 1
    assert life.fact("not_entered")["reason"] == "reentry"


def test_the_deadline_of_a_journey_that_is_gone_is_for_nothing():
    """Nobody enters it."""
    life = Life(STOPPED)
    life.does("Checkout Started", cart="c1")
    life.renew("journey: other\nenter: {event: A}\nsteps: [{id: s, send: email, template: t}]\n")
    life.later(DAY)
    assert life.facts == []
    assert life.customer.timers == {}
