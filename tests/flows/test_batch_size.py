"""How much of the input a replay takes in at once."""

import pytest

from flows import batch_size
from flows.batch_size import CHANGED_BYTES_MAX, SECONDS, BatchSize

MOST = 48 << 20


class Work:
    """Batches of which each byte takes so long, and changes so much."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float, changed: float) -> None:
        self.now, self.changed_bytes = 100.0, 0
        self.seconds, self.changed = seconds, changed
        monkeypatch.setattr(batch_size, "perf_counter", lambda: self.now)
        self.size = BatchSize(MOST, lambda: self.changed_bytes)

    def sizes(self, count: int) -> list[int]:
        found = []
        for _ in range(count):
            self.size.adapt()
            found.append(self.size.bytes_max)
            self.size.took(found[-1])
            self.now += found[-1] * self.seconds
            self.changed_bytes = int(found[-1] * self.changed)
        return found


def test_the_first_batch_is_a_sample(monkeypatch):
    assert Work(monkeypatch, seconds=1e-9, changed=0.1).sizes(3) == [MOST // 8, MOST, MOST]


def test_journeys_that_have_much_to_do_get_short_batches(monkeypatch):
    seconds = SECONDS / (1 << 20)  # a MiB in the time of a batch
    assert Work(monkeypatch, seconds, changed=0.1).sizes(3)[1:] == pytest.approx([1 << 20] * 2, abs=1)


def test_customers_of_whom_much_is_stored_get_short_batches(monkeypatch):
    work = Work(monkeypatch, seconds=1e-9, changed=20)
    assert work.sizes(3)[1:] == pytest.approx([CHANGED_BYTES_MAX // 20] * 2, abs=1)


def test_a_batch_is_never_too_short_to_be_of_use(monkeypatch):
    assert Work(monkeypatch, seconds=1.0, changed=1e6).sizes(2)[1] == MOST // 64
