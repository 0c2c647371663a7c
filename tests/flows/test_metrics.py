"""The metrics: what they say after what happened, and that every panel of the dashboard asks for one that there is."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flows import metrics
from flows.metrics import Metrics, serve
from flows.observed import GroupCommitted, Read, Sent, decided_at_of
from operators.records import to_json
from state.errors import UsageError
from state.instants import format_instant
from tests.kafka.broker import free_port

DOCKER = Path(__file__).resolve().parents[2] / "docker"
DASHBOARD: dict[str, Any] = json.loads((DOCKER / "grafana" / "dashboards" / "sojourn.json").read_text())
NOW = 1_767_607_200_000

Numbers = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def told(registry: CollectorRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Metrics:
    """Two key groups, of which one is behind; and some output."""
    monkeypatch.setattr(metrics, "wall_ms", lambda: NOW)
    (tmp_path / "group-00001").mkdir()
    (tmp_path / "group-00001" / "000001.sst").write_bytes(bytes(500))
    found = Metrics(tmp_path, registry)
    group(found, 1, {"accepted": 10, "rejected": 2, "duplicates": 1, "customers": 7}, {"not_json": 2}, 4)
    group(found, 2, {"accepted": 5, "customers": 1}, {}, 1)
    found.read(Read(1, 20, 20, NOW - 2_000))
    found.read(Read(2, 10, 25, NOW - 9_000))
    found.sent(Sent(0.03, 12, [action(NOW - 400), action(NOW - 40_000)]))
    found.sent(Sent(None, 1, []))
    return found


def action(decided_at: int) -> bytes:
    return to_json({"action_id": "0f", "decided_at": format_instant(decided_at), "kind": "send"})


def group(found: Metrics, number: int, counts: dict[str, int], rejected: dict[str, int], actions: int) -> None:
    journeys = {"a": {"email": actions, "push": 1}}
    found.committed(GroupCommitted(number, 0.002, 9, 100, 30, 3, counts, rejected, journeys))


def numbers(registry: CollectorRegistry) -> Numbers:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_what_happened_is_told(told: Metrics, registry: CollectorRegistry) -> None:
    found = numbers(registry)

    def number(name: str, **labels: str) -> float:
        return found["sojourn_" + name, tuple(sorted(labels.items()))]

    assert number("lag_records", partition="1") == number("lag_seconds", partition="1") == 0
    assert number("lag_records", partition="2") == 15
    assert number("lag_seconds", partition="2") == 9
    assert [number("events_total", outcome=o) for o in ("accepted", "rejected", "duplicates")] == [15, 2, 1]
    assert number("rejected_total", reason="not_json") == 2
    assert number("actions_total", journey="a", channel="email") == 5
    assert number("cache_lookups_total", found="disk") == 60
    assert number("cache_lookups_total", found="cache") == 140
    assert (number("customers"), number("timers"), number("state_bytes")) == (8, 6, 500)
    assert number("commit_seconds_count") == 2
    assert number("transaction_seconds_sum") == 0.03
    assert number("transaction_seconds_count") == 1
    assert number("output_records_total") == 13
    assert number("action_latency_seconds_bucket", le="0.5") == 1
    assert number("action_latency_seconds_bucket", le="60.0") == 2


def test_an_epoch_is_from_one_end_of_the_first_partition_to_the_next(
    told: Metrics, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once for each partition: all have the same epochs."""
    for later in (300, 800):
        monkeypatch.setattr(metrics, "wall_ms", lambda later=later: NOW + later)
        told.read(Read(1, 20, 20, NOW - 2_000))
        told.read(Read(2, 25, 25, 0))
    found = numbers(registry)
    assert found["sojourn_epoch_seconds_count", ()] == 2
    assert found["sojourn_epoch_seconds_sum", ()] == pytest.approx(0.8)


def test_nothing_is_told_where_nothing_happened(tmp_path: Path, registry: CollectorRegistry) -> None:
    Metrics(tmp_path, registry)
    assert {value for (name, _), value in numbers(registry).items() if not name.endswith("_created")} == {0}


def panels() -> list[tuple[str, str]]:
    """(title, query) of every panel."""
    return [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.mark.parametrize(("title", "query"), panels(), ids=[title for title, _ in panels()])
def test_every_panel_asks_for_a_metric_that_there_is(
    told: Metrics, registry: CollectorRegistry, title: str, query: str
) -> None:
    """With labels that it has."""
    names = {name: {label for label, _ in labels} for name, labels in numbers(registry)}
    of_process = generate_latest(REGISTRY).decode()
    asked = re.findall(r"\b((?:sojourn|process)_[a-z_]+)", query)
    assert asked, title
    for name in asked:
        assert name in names or f"\n{name} " in of_process, name
        for label in re.findall(r"\bby \(([a-z]+)\)", query):
            assert label in names[name]
        for label in re.findall(r"\{([a-z]+)=", query):
            assert label in names.get(name, {"job"})


def test_the_panels_are_laid_out_and_named_apart() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in DASHBOARD["panels"]})
    sources = yaml.safe_load((DOCKER / "grafana" / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {sources[0]["uid"]}


def test_prometheus_asks_where_compose_has_the_job() -> None:
    scrape = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0]
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    port = services["sojourn"]["environment"]["SOJOURN_METRICS_PORT"]
    assert scrape["static_configs"] == [{"targets": [f"sojourn:{port}"]}]
    assert scrape["job_name"] == "sojourn"  # the dashboard asks for it


def test_they_are_served_and_a_port_in_use_is_told() -> None:
    port = free_port()
    server, thread = serve(port, "127.0.0.1")
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert b"process_resident_memory_bytes" in answer.read()
        with pytest.raises(UsageError, match=rf"127.0.0.1:{port}: .*SOJOURN_METRICS_PORT"):
            serve(port, "127.0.0.1")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_instant_of_an_action_is_found_in_its_bytes() -> None:
    at = "2026-01-05T10:00:00.000Z"
    written = to_json({"action_id": "0f", "with": {"x": "decided_at"}, "decided_at": at, "channel": "email"})
    assert decided_at_of(written) == at
