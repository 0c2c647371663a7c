"""Fixtures that all tests may use."""

from tests.kafka.fixtures import kafka, report_header

__all__ = ["kafka"]


def pytest_report_header() -> str:
    """Say which Kafka the tests talk to."""
    return report_header()
