"""The corpus of bad input: lines that a careless or hostile source writes, each with what must become of it.

`broken_events()` yields (name, bytes, outcome): outcome is a code out of `operators.decode.REASONS`, or "ok" for a line that
looks broken and is to be read rightly. The outcomes are those of files, where a line has no log time but its own. No line
holds a line feed, so the corpus can be written to a file as it is; none has the bytes or the `messageId` of another.

`disputed_events()` yields (name, bytes) of lines that one JSON reader takes and another refuses: either outcome is right, but
there must be one.
"""

from collections.abc import Iterator

TIME = b'"timestamp":"2026-01-05T10:00:00.000Z"'
USER = b'"userId":"c-1"'


def line(*fields: bytes, kind: bytes = b'"type":"track","event":"Product Viewed"') -> bytes:
    """One JSON object of these fields; without any, a customer and a time are what it has."""
    return b"{" + b",".join([kind, *(fields or (USER, TIME))]) + b"}"


def timed(*fields: bytes) -> bytes:
    """A line of a customer with these fields about time."""
    return line(USER, *fields)


def nested(depth: int, opening: bytes, closing: bytes, kernel: bytes = b"1") -> bytes:
    """`depth` brackets, one in the other."""
    return opening * depth + kernel + closing * depth


def broken_events() -> Iterator[tuple[str, bytes, str]]:
    """All of the corpus."""
    yield from _not_json()
    yield from _not_an_object()
    yield from _types_and_names()
    yield from _ids()
    yield from _times()
    yield from _properties()
    yield from _size_and_depth()
    yield from _numbers()
    yield from _odd_but_right()


def _not_json() -> Iterator[tuple[str, bytes, str]]:
    yield "words", b"GET /index.html HTTP/1.1", "not_json"
    yield "cut off", line()[:-1], "not_json"
    yield "cut off in a text", line()[:40], "not_json"
    yield "single quotes", b"{'type': 'track'}", "not_json"
    yield "trailing comma", line(USER, TIME, b""), "not_json"
    yield "trailing garbage", line() + b" x", "not_json"
    yield "two objects on a line", line() + line(), "not_json"
    yield "a comment", line() + b" // the first", "not_json"
    yield "byte order mark", b"\xef\xbb\xbf" + line(), "not_json"
    yield "UTF-16", line().decode().encode("utf-16-le").replace(b"\n", b""), "not_json"
    yield "invalid UTF-8 in a value", line(USER, TIME, b'"properties":{"name":"caf\xe9"}'), "not_json"
    yield "invalid UTF-8 in an id", line(b'"userId":"caf\xe9"', TIME), "not_json"
    yield "a raw NUL", line(USER, TIME, b'"properties":{"name":"a\x00b"}'), "not_json"
    yield "nothing but NULs", b"\x00" * 512, "not_json"
    yield "NULs behind", line() + b"\x00" * 64, "not_json"
    yield "a raw control character", line(USER, TIME, b'"properties":{"name":"a\x01b"}'), "not_json"
    yield "a lone high surrogate", line(USER, TIME, b'"properties":{"name":"\\ud83d"}'), "not_json"
    yield "a lone low surrogate", line(USER, TIME, b'"properties":{"name":"\\ude00"}'), "not_json"
    yield "a lone surrogate as id", line(b'"userId":"\\ud800"', TIME), "not_json"
    yield "a lone surrogate as message id", line(USER, TIME, b'"messageId":"\\udc00"'), "not_json"
    yield "a surrogate as bytes", line(USER, TIME, b'"properties":{"name":"\xed\xa0\x80"}'), "not_json"
    yield "invalid UTF-8 where nobody looks", line(USER, TIME, b'"extra":"caf\xe9"'), "not_json"
    yield "invalid UTF-8 in a name", line(USER, TIME, b'"caf\xe9":1'), "not_json"
    yield "a surrogate as bytes where nobody looks", line(USER, TIME, b'"extra":"\xed\xa0\x80"'), "not_json"
    yield "a half escape", line(USER, TIME, b'"properties":{"name":"\\u00"}'), "not_json"
    yield "NaN", line(USER, TIME, b'"properties":{"price":NaN}'), "not_json"
    yield "Infinity", line(USER, TIME, b'"properties":{"price":-Infinity}'), "not_json"
    yield "a number with a leading zero", line(USER, TIME, b'"properties":{"price":007}'), "not_json"
    yield "gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage", "not_json"


def _not_an_object() -> Iterator[tuple[str, bytes, str]]:
    yield "null", b"null", "not_an_object"
    yield "a number", b"42", "not_an_object"
    yield "a text", b'"track"', "not_an_object"
    yield "an object as text", b'"{\\"type\\":\\"track\\"}"', "not_an_object"
    yield "true", b"true", "not_an_object"
    yield "an empty list", b"[]", "not_an_object"
    yield "an event in a list", b"[" + line() + b"]", "not_an_object"


def _types_and_names() -> Iterator[tuple[str, bytes, str]]:
    yield "an empty object", b"{}", "bad_type"
    yield "no type", line(USER, TIME, kind=b'"event":"Product Viewed"'), "bad_type"
    yield "type null", line(USER, TIME, kind=b'"type":null'), "bad_type"
    yield "type a number", line(USER, TIME, kind=b'"type":1'), "bad_type"
    yield "type a list", line(USER, TIME, kind=b'"type":["track"]'), "bad_type"
    yield "type an object", line(USER, TIME, kind=b'"type":{}'), "bad_type"
    yield "type of no spec", line(USER, TIME, kind=b'"type":"delete"'), "bad_type"
    yield "type in capitals", line(USER, TIME, kind=b'"type":"Track","event":"x"'), "bad_type"
    yield "type empty", line(USER, TIME, kind=b'"type":""'), "bad_type"
    yield "track without event", line(USER, TIME, kind=b'"type":"track"'), "no_event_name"
    yield "event null", line(USER, TIME, kind=b'"type":"track","event":null'), "no_event_name"
    yield "event empty", line(USER, TIME, kind=b'"type":"track","event":""'), "no_event_name"
    yield "event a number", line(USER, TIME, kind=b'"type":"track","event":7'), "no_event_name"
    yield "event a list", line(USER, TIME, kind=b'"type":"track","event":["x"]'), "no_event_name"
    yield "event an object", line(USER, TIME, kind=b'"type":"track","event":{}'), "no_event_name"


def _ids() -> Iterator[tuple[str, bytes, str]]:
    long = b"x" * 10_240
    yield "no ids", line(TIME), "no_id"
    yield "both ids empty", line(b'"userId":"","anonymousId":""', TIME), "no_id"
    yield "both ids null", line(b'"userId":null,"anonymousId":null', TIME), "no_id"
    yield "one id empty", line(b'"userId":""', TIME), "no_id"
    yield "userId of 10 kB", line(b'"userId":"' + long + b'"', TIME), "bad_id"
    yield "anonymousId of 10 kB", line(b'"anonymousId":"' + long + b'"', TIME), "bad_id"
    yield "userId of 10 kB beside an anonymousId", line(b'"userId":"' + long + b'","anonymousId":"a"', TIME), "bad_id"
    yield "userId of one character too many", line(b'"userId":"' + b"x" * 1025 + b'"', TIME), "bad_id"
    yield "userId of 1,100 digits", line(b'"userId":' + b"9" * 1100, TIME), "bad_id"
    yield "anonymousId of 1,100 digits", line(b'"anonymousId":' + b"9" * 1100, TIME), "bad_id"
    yield "userId true", line(b'"userId":true', TIME), "bad_id"
    yield "userId false beside an anonymousId", line(b'"userId":false,"anonymousId":"a"', TIME), "bad_id"
    yield "userId a fraction", line(b'"userId":1.5', TIME), "bad_id"
    yield "userId a list", line(b'"userId":["c-1"]', TIME), "bad_id"
    yield "userId an object", line(b'"userId":{"id":"c-1"}', TIME), "bad_id"
    yield "anonymousId a list", line(b'"anonymousId":[]', TIME), "bad_id"
    yield "anonymousId false", line(b'"anonymousId":false', TIME), "bad_id"


def _times() -> Iterator[tuple[str, bytes, str]]:
    received = b'"receivedAt":"2026-01-05T10:00:00.000Z"'

    yield "timestamp missing", line(USER), "no_time"
    yield "timestamp null", timed(b'"timestamp":null'), "no_time"
    yield "sentAt alone", timed(b'"sentAt":"2026-01-05T10:00:00.000Z"'), "no_time"
    yield "timestamp empty", timed(b'"timestamp":""'), "bad_time"
    yield "timestamp a word", timed(b'"timestamp":"yesterday"'), "bad_time"
    yield "timestamp a number as text", timed(b'"timestamp":"1767607200000"'), "bad_time"
    yield "timestamp no date there is", timed(b'"timestamp":"2026-02-30T10:00:00.000Z"'), "bad_time"
    yield "timestamp of the 25th hour", timed(b'"timestamp":"2026-01-05T25:00:00.000Z"'), "bad_time"
    yield "timestamp true", timed(b'"timestamp":true'), "bad_time"
    yield "timestamp a list", timed(b'"timestamp":[2026,1,5]'), "bad_time"
    yield "timestamp an object", timed(b'"timestamp":{"$date":0}'), "bad_time"
    yield "timestamp negative", timed(b'"timestamp":-1'), "bad_time"
    yield "timestamp in 1969", timed(b'"timestamp":"1969-12-31T23:59:59.999Z"'), "bad_time"
    yield "timestamp in 2106", timed(b'"timestamp":"2106-02-07T06:28:15.000Z"'), "bad_time"
    yield "timestamp in 2106 as a number", timed(b'"timestamp":4294967295'), "bad_time"
    yield (
        "timestamp in 2106 of a record of today",
        timed(b'"timestamp":"2106-02-07T06:28:15.000Z"', received),
        "bad_time",
    )
    yield "timestamp beyond 64 bits", timed(b'"timestamp":' + b"9" * 30), "bad_time"
    yield "timestamp of nanoseconds as a number", timed(b'"timestamp":1767607200000000000'), "bad_time"
    yield "originalTimestamp a word", timed(b'"originalTimestamp":"now"'), "no_time"
    yield "receivedAt a word", timed(TIME, b'"receivedAt":"now"'), "bad_time"
    yield "receivedAt true", timed(TIME, b'"receivedAt":true'), "bad_time"
    yield "more than a day ahead", timed(b'"timestamp":"2026-01-06T10:00:00.001Z"', received), "future"
    yield "years ahead", timed(b'"timestamp":"2090-01-01T00:00:00.000Z"', received), "future"
    yield (
        "ahead by a clock that is wrong",
        timed(received, b'"originalTimestamp":"2026-01-09T10:00:00.000Z","sentAt":"2026-01-05T10:00:00.000Z"'),
        "future",
    )
    yield "just a day ahead", timed(b'"timestamp":"2026-01-06T10:00:00.000Z"', received), "ok"
    yield "the first moment of 1970", timed(b'"timestamp":"1970-01-01T00:00:00.000Z"'), "ok"
    yield "the last moment of 2099", timed(b'"timestamp":"2099-12-31T23:59:59.999Z"'), "ok"
    yield "timestamp in seconds", timed(b'"timestamp":1767607200'), "ok"
    yield "timestamp in milliseconds", timed(b'"timestamp":1767607200000'), "ok"
    yield "timestamp in seconds with a fraction", timed(b'"timestamp":1767607200.25'), "ok"
    yield "timestamp with an offset", timed(b'"timestamp":"2026-01-05T11:00:00.000+01:00"'), "ok"
    yield "timestamp in nanoseconds", timed(b'"timestamp":"2026-01-05T10:00:00.123456789Z"'), "ok"
    yield "timestamp null, but receivedAt", timed(b'"timestamp":null', received), "ok"
    yield "originalTimestamp alone", timed(b'"originalTimestamp":"2026-01-05T10:00:00.000Z"'), "ok"


def _properties() -> Iterator[tuple[str, bytes, str]]:
    for field in (b"properties", b"context"):
        for what, value in (("a text", b'"x"'), ("a list", b"[1]"), ("a number", b"5"), ("false", b"false")):
            yield f"{field.decode()} {what}", line(USER, TIME, b'"%b":%b' % (field, value)), "bad_properties"
    identify = b'"type":"identify"'
    yield "traits a list", line(USER, TIME, b'"traits":[1]', kind=identify), "bad_properties"
    yield "traits of a group a text", line(USER, TIME, b'"traits":"x"', kind=b'"type":"group"'), "bad_properties"
    yield "traits where none are read", line(USER, TIME, b'"traits":[1]'), "ok"
    yield "properties where none are read", line(USER, TIME, b'"properties":[1]', kind=identify), "ok"
    yield "properties null", line(USER, TIME, b'"properties":null,"context":null'), "ok"


def _size_and_depth() -> Iterator[tuple[str, bytes, str]]:
    yield "5 MB of properties", line(USER, TIME, b'"properties":{"text":"' + b"x" * 5_000_000 + b'"}'), "too_large"
    yield (
        "5 MB of small properties",
        line(USER, TIME, b'"properties":{' + b",".join(b'"p%06d":%d' % (i, i) for i in range(300_000)) + b"}"),
        "too_large",
    )
    for depth in (201, 1_000, 1_023, 1_024, 1_100, 1_500, 20_000, 100_000):
        yield f"objects {depth} deep", line(USER, TIME, b'"properties":' + nested(depth, b'{"a":', b"}")), "too_deep"
        yield (
            f"lists {depth} deep",
            line(USER, TIME, b'"properties":{"a":' + nested(depth, b"[", b"]", b"") + b"}"),
            "too_deep",
        )
        yield (
            f"lists {depth} deep where nobody looks",
            line(USER, TIME, b'"extra":' + nested(depth, b"[", b"]", b"")),
            "too_deep",
        )
    yield "brackets that nobody closes", b"[" * 100_000, "too_deep"
    yield "objects 100 deep", line(USER, TIME, b'"properties":' + nested(100, b'{"a":', b"}")), "ok"
    yield (
        "a thousand lists side by side",
        line(USER, TIME, b'"properties":{"a":[' + b",".join([b"[]"] * 1_000) + b"]}"),
        "ok",
    )
    yield "a thousand brackets in a text", line(USER, TIME, b'"properties":{"a":"' + b"[{" * 500 + b'"}'), "ok"


def _numbers() -> Iterator[tuple[str, bytes, str]]:
    yield "1e999", line(USER, TIME, b'"properties":{"price":1e999}'), "not_json"
    yield "-1e999", line(USER, TIME, b'"properties":{"price":-1e999}'), "not_json"
    yield "1e999 as timestamp", timed(b'"timestamp":1e999'), "not_json"
    yield "1e999 as id", line(b'"userId":1e999', TIME), "not_json"
    yield "5,000 digits", line(USER, TIME, b'"properties":{"price":' + b"9" * 5_000 + b"}"), "not_json"
    yield "2^63", line(USER, TIME, b'"properties":{"price":9223372036854775808}'), "ok"
    yield "2^64", line(USER, TIME, b'"properties":{"price":18446744073709551616}'), "ok"
    yield "-2^64", line(USER, TIME, b'"properties":{"price":-18446744073709551616}'), "ok"
    yield "a hundred digits", line(USER, TIME, b'"properties":{"price":' + b"9" * 100 + b"}"), "ok"
    yield (
        "huge integers in traits",
        line(
            USER,
            TIME,
            b'"traits":{"points":' + b"9" * 40 + b',"list":[' + b"8" * 400 + b"]}",
            kind=b'"type":"identify"',
        ),
        "ok",
    )
    yield "a huge integer as category", line(USER, TIME, b'"properties":{"category":' + b"7" * 40 + b"}"), "ok"
    yield "userId beyond 64 bits", line(b'"userId":' + b"9" * 30, TIME), "ok"
    yield "messageId beyond 64 bits", line(USER, TIME, b'"messageId":' + b"9" * 30), "ok"
    yield "a tiny number", line(USER, TIME, b'"properties":{"price":1e-999}'), "ok"


def _odd_but_right() -> Iterator[tuple[str, bytes, str]]:
    yield "CR LF", line(USER, TIME, b'"messageId":"crlf"') + b"\r", "ok"
    yield "spaces around", b" \t" + line(USER, TIME, b'"messageId":"spaces"') + b" \t", "ok"
    yield (
        "duplicate keys: the last one counts",
        line(b'"userId":"c-0","userId":"c-1"', TIME, b'"messageId":"twice"'),
        "ok",
    )
    yield "duplicate keys: the first of a wrong type", line(b'"userId":[],"userId":"c-1"', TIME), "ok"
    yield "duplicate keys: the last of a wrong type", line(b'"userId":"c-1","userId":[]', TIME), "bad_id"
    yield "an escaped NUL in a value", line(USER, TIME, b'"properties":{"category":"a\\u0000b"}'), "ok"
    yield "an escaped NUL in an id", line(b'"userId":"a\\u0000b"', TIME), "ok"
    yield "an id of nothing but a NUL", line(b'"userId":"\\u0000"', TIME), "ok"
    yield "a line feed in an id", line(b'"userId":"a\\nb"', TIME), "ok"
    yield "a surrogate pair", line(USER, TIME, b'"properties":{"category":"\\ud83d\\ude00"}'), "ok"
    yield "an id of 1,024 characters", line(b'"userId":"' + b"y" * 1024 + b'"', TIME), "ok"
    yield (
        "an id of 1,024 characters of four bytes",
        line(b'"userId":"' + "\U0001f600".encode() * 1024 + b'"', TIME),
        "ok",
    )
    yield "userId a number", line(b'"userId":42', TIME), "ok"
    yield "userId zero", line(b'"userId":0', TIME), "ok"
    yield "userId empty beside an anonymousId", line(b'"userId":"","anonymousId":"a-1"', TIME), "ok"
    yield "anonymousId of 10 kB beside a userId", line(USER, b'"anonymousId":"' + b"x" * 10_240 + b'"', TIME), "ok"
    yield "messageId a list", line(USER, TIME, b'"messageId":[]'), "ok"
    yield "messageId empty", line(USER, TIME, b'"messageId":""'), "ok"
    yield "messageId of 10 kB", line(USER, TIME, b'"messageId":"' + b"m" * 10_240 + b'"'), "ok"
    yield "event of 10 kB", line(USER, TIME, kind=b'"type":"track","event":"' + b"e" * 10_240 + b'"'), "ok"
    yield "an event of no property", line(USER, TIME, kind=b'"type":"track","event":"\\u0000"'), "ok"
    yield "an empty property name", line(USER, TIME, b'"properties":{"":1}'), "ok"
    yield "fields of nobody", line(USER, TIME, b'"rudderId":[{"deep":[1,2,{}]}],"__proto__":{}'), "ok"


def disputed_events() -> Iterator[tuple[str, bytes]]:
    """Lines that are well formed as far as anybody needs to read them, and no JSON beyond; with and without many brackets."""
    brackets = b'"properties":{"list":[' + b",".join([b"[]"] * 300) + b"]}"
    for more in (b'"properties":{}', brackets):
        size = len(more)
        yield f"1e999 where nobody looks ({size})", line(USER, TIME, b'"extra":1e999', more)
        yield f"5,000 digits where nobody looks ({size})", line(USER, TIME, b'"extra":' + b"9" * 5_000, more)
        yield f"a lone surrogate where nobody looks ({size})", line(USER, TIME, b'"extra":"\\ud800"', more)
