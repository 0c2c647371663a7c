"""Kill the live job again and again, on a real Kafka, and compare what it leaves with an oracle: `make crash`."""

from pathlib import Path

JOURNEYS = Path(__file__).parent / "journeys"
JOURNEYS_LATER = Path(__file__).parent / "journeys-later"
"""What the journeys become in the midst of the log: the last step of one of them is another."""
