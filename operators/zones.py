"""Which time zone a customer lives in: their profile says, else the context of their last event that did, else the workspace."""

from collections.abc import Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@lru_cache(1_024)  # there are some 600 zones
def zone_named(name: str) -> tzinfo | None:
    """The zone of the IANA database; None where there is none of that name.

    >>> zone_named("Europe/Berlin"), zone_named("Middle-earth/Shire")
    (zoneinfo.ZoneInfo(key='Europe/Berlin'), None)
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a name that is a directory, or too long for one
        return None


def zone_of(profile: Mapping[str, Any], last_seen: str, default: tzinfo) -> tzinfo:
    """The customer's zone: their profile's, else the last one that an event named; a name that is none is not given."""
    given = profile.get("timezone")
    zone = zone_named(given) if isinstance(given, str) and given else None
    if zone is None and last_seen:
        zone = zone_named(last_seen)
    return default if zone is None else zone
