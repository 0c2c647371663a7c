"""Fixtures that all tests may use, and how Hypothesis runs: without a clock, because machines are slow at times."""

from hypothesis import HealthCheck, settings

from tests.kafka.fixtures import kafka, report_header

__all__ = ["kafka"]

settings.register_profile("sojourn", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sojourn")


def pytest_report_header() -> str:
    """Say which Kafka the tests talk to."""
    return report_header()
