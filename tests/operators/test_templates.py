"""Templates: what they give, what they refuse and how they say so, and that nothing gets out of them, nor chance in."""

from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.events import Event
from operators.records import to_json
from operators.templates import (
    TEMPLATE_NAMES,
    TEXT_CHARACTERS_MAX,
    TemplateError,
    compile_value,
    names_used,
)

EVENT = Event(
    "track",
    "Product Viewed",
    "c-42",
    "m1",
    1_767_225_600_000,
    {
        "name": "Bo",
        "price": 9.5,
        "count": 3,
        "sale": True,
        "gone": None,
        "sizes": ["s", "m"],
        "deep": {"items": 1, "keys": 2, "a b": 3},
        "items": "mine",
        "big": 10**30,
        "long": "x" * 60_000,
        "code": 0xD800,
    },
    {"page": {"url": "/tents"}},
)
SCOPE = {
    "event": EVENT,
    "properties": EVENT.properties,
    "entry": EVENT,
    "first": EVENT,
    "matched": [EVENT, EVENT],
    "profile": {"plan": "gold", "update": 1},
    "now": 1_767_225_600_005,
    "journey": {"name": "j", "tags": ["x"]},
}


def rendered(value):
    """What a value of `with:` becomes."""
    return compile_value(value, TEMPLATE_NAMES)(SCOPE)


def refused(value):
    """The complaint when it is compiled."""
    with pytest.raises(TemplateError) as error:
        compile_value(value, TEMPLATE_NAMES)
    return str(error.value)


def failed(value):
    """The complaint when it is rendered; it compiles."""
    render = compile_value(value, TEMPLATE_NAMES)
    with pytest.raises(TemplateError) as error:
        render(SCOPE)
    return str(error.value)


# --- values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ properties.price }}", 9.5),
        ("{{ properties.count }}", 3),
        ("{{properties.count}}", 3),
        ("  {{ properties.count }}\n", 3),
        ("{{- properties.count -}}", 3),
        ("{{ properties.sale }}", True),
        ("{{ properties.gone }}", None),
        ("{{ properties.sizes }}", ["s", "m"]),
        ("{{ properties.deep }}", {"items": 1, "keys": 2, "a b": 3}),
        ("{{ properties.count * 2 + 1 }}", 7),
        ("{{ -properties.count }}", -3),
        ("{{ {'a': properties.count} }}", {"a": 3}),
        ("{{ '{' ~ properties.count ~ '}' }}", "{3}"),
        ("{{ now }}", 1_767_225_600_005),
        ("{{ profile.plan }}", "gold"),
        ("{{ journey.name }}", "j"),
        ("{{ matched|length }}", 2),
        ("{{ matched[-1].properties.count }}", 3),
        ("{{ entry.context.page.url }}", "/tents"),
        ("{{ event.name }}", "Product Viewed"),
        ("{{ first.time }}", 1_767_225_600_000),
        ("{{ properties.big }}", str(10**30)),
    ],
)
def test_one_expression_alone_keeps_its_type(text, value):
    """A price stays a number, a list a list."""
    assert rendered(text) == value
    assert type(rendered(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("for {{ properties.count }}", "for 3"),
        ("{{ properties.count }}.", "3."),
        ("{{ properties.count }}{{ properties.count }}", "33"),
        ("{% if properties.sale %}yes{% else %}no{% endif %}", "yes"),
        ("{% for size in properties.sizes %}{{ size }};{% endfor %}", "s;m;"),
        ("{# nothing #}{{ properties.count }}", "3"),
        ("{{ '{{' }}", "{{"),
        ("a\nb {{ properties.count }}\n", "a\nb 3\n"),
        ("<b>&{{ properties.name }}", "<b>&Bo"),
        ("{{ properties.name }} }}", "Bo }}"),
        ("{{ properties.name }} {{ properties.name }} }}", "Bo Bo }}"),
    ],
)
def test_any_other_text_becomes_text(text, value):
    """With expressions in it, conditions, loops; nothing is escaped, for this is no HTML."""
    assert rendered(text) == value


@pytest.mark.parametrize("value", ["plain", "", "100 %", "{ }", 10, -1.5, True, None, [1, ["a"]], {"a": {"b": []}}])
def test_what_is_no_template_stays_as_it_is(value):
    """Texts without braces, numbers, flags, lists, mappings."""
    assert rendered(value) == value


def test_lists_and_mappings_are_compiled_through():
    """Templates inside of them are rendered; keys are names and are not."""
    value = {"list": ["{{ properties.count }}", {"x": "for {{ properties.name }}"}], "{{ a }}": 1}
    assert rendered(value) == {"list": [3, {"x": "for Bo"}], "{{ a }}": 1}


def test_an_event_is_written_as_its_data():
    """All that expressions may read of it, and nothing else."""
    assert set(rendered("{{ entry }}")) == {"kind", "name", "message_id", "time", "properties", "context"}
    assert len(rendered("{{ matched }}")) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [("{{--5}}", -5), ("{{- -5 }}", -5), ("{{ -5 -}}", -5), ("{{-5}}", 5), ("{{--properties.count-}}", -3)],
)
def test_marks_of_whitespace_are_one_character(text, value):
    """`{{-` is a mark of Jinja2; a minus after it is the author's."""
    assert rendered(text) == value


def test_dots_read_data_and_never_methods():
    """`properties.items` is the property of that name, or missing."""
    assert rendered("{{ properties.items }}") == "mine"
    assert rendered("{{ properties.deep.items }} {{ properties.deep.keys }} {{ profile.update }}") == "1 2 1"
    assert rendered("{{ properties.deep['a b'] }}") == 3
    assert "has no attribute 'values'" in failed("{{ properties.values }}")
    assert "has no attribute 'customer_id'" in failed("{{ entry.customer_id }}")


def test_the_names_that_a_value_uses_are_known():
    """What a journey must remember depends on it."""
    value = {
        "a": ["{{ first.properties.x }}", 1],
        "b": "{% for e in matched %}{{ e }}{{ now }}{% endfor %}",
        "c": "first",
    }
    assert names_used(value) == {"first", "matched", "now"}
    assert names_used("plain") == names_used(7) == frozenset()


# --- what is missing


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("{{ properties.nam }}", "nam"),
        ("Hello {{ properties.nam }}", "nam"),
        ("{{ properties.deep.x.y }}", "x"),
        ("{{ properties['nam'] }}", "nam"),
        ("{{ profile.email|upper }}", "email"),
        ("{% for x in properties.nam %}{% endfor %}", "nam"),
        ("{% if properties.nam > 3 %}x{% endif %}", "nam"),
        ("{{ [properties.nam] }}", "nam"),
        ("{{ {'a': properties.nam} }}", "nam"),
        ("{{ properties.sizes[7] }}", "7"),
        ("{{ properties.nam ~ 'x' }}", "nam"),
    ],
)
def test_what_is_not_there_is_an_error_and_never_an_empty_place(text, missing):
    """The message names the template and what is missing."""
    assert missing in failed(text)


def test_a_template_may_say_what_to_write_instead():
    """`default` and `is defined` are for that."""
    assert rendered("Hello {{ properties.nam|default('you') }}") == "Hello you"
    assert rendered("{{ properties.nam|default('you') }}") == "you"
    assert rendered("{% if properties.nam is defined %}a{% else %}b{% endif %}") == "b"


def test_a_null_is_not_written_into_a_text():
    """Nobody is greeted with `Hello None`: a null in a text is as missing as in an expression."""
    assert failed("Hello {{ properties.gone }}")


# --- what is refused when it is read


@pytest.mark.parametrize(
    "text",
    [
        "{{ ",
        "{{ properties. }}",
        "{% if %}",
        "{% endif %}",
        "{{ x | }}",
        "{{ 1 + }}",
        "{% for %}",
        "{% nope %}",
        "{# x",
    ],
)
def test_what_is_no_template_is_refused_with_the_text(text):
    """When it is compiled, by `check`."""
    complaint = refused(text)
    assert "is no Jinja2" in complaint
    assert repr(text) in complaint


def test_a_long_template_is_shown_short():
    """A complaint is a line."""
    assert len(refused("{{ " + "x" * 10_000)) < 300


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ propertis.x }}", "did you mean 'properties'?"),
        ("a {{ evnt.x }}", "did you mean 'event'?"),
        ("{{ customer }}", "there are event, properties, entry"),
        ("{{ zone }}", "there are event"),
        ("{% if Profile.x %}{% endif %}", "did you mean 'profile'?"),
    ],
)
def test_a_name_that_there_is_not_is_refused_with_the_nearest(text, says):
    """Names of the scope that are not of the language, too."""
    assert says in refused(text)


def test_a_name_that_the_template_itself_makes_may_be_used():
    """`set`, loops and macros make names."""
    assert rendered("{% set x = properties.count %}{% macro m(y) %}<{{ y }}>{% endmacro %}{{ m(x) }}") == "<3>"


@pytest.mark.parametrize(
    "text", ["{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{% from 'x' import y %}"]
)
def test_there_are_no_other_templates_to_take_in(text):
    """It could never be rendered for anybody, so it is refused when it is read."""
    assert refused(text)


@pytest.mark.parametrize(
    "value", [date(2026, 1, 1), b"x", {1, 2}.__class__, object(), float("nan"), float("inf"), [float("nan")]]
)
def test_a_value_that_json_has_not_is_refused(value):
    """YAML makes dates and bytes of what stands there unquoted."""
    assert refused({"a": value})


# --- what comes out can be written


@pytest.mark.parametrize(
    "text",
    [
        "{{ properties.long ~ properties.long }}",
        "{{ properties.long }}{{ properties.long }}",
        "{{ 1e308 * 10 }}",
        "{{ 1e308 * 10 - 1e308 * 10 }}",
        "{{ properties.count / 0 }}",
        "{{ 'a' + 1 }}",
        "{{ []|first }}",
        "{{ matched[0].name.nope }}",
    ],
)
def test_what_cannot_be_written_is_an_error_of_the_template(text):
    """Too long, not finite, or an error of Python; the message says why."""
    assert len(failed(text)) < 400


def test_a_text_of_the_greatest_length_is_written():
    """The bound, and one more."""
    make = "{%% for i in properties.sizes %%}{{ properties.long[:%d] }}{%% endfor %%}"
    assert len(rendered(make % (TEXT_CHARACTERS_MAX // 2))) == TEXT_CHARACTERS_MAX
    assert f"{TEXT_CHARACTERS_MAX:,}" in failed(make % (TEXT_CHARACTERS_MAX // 2 + 1))


def test_a_value_that_is_nested_too_deeply_is_an_error():
    """Deeper than any message; JSON writers stop at some depth, too."""
    deep = 1
    for _ in range(60):
        deep = [deep]
    render = compile_value("{{ properties.deep }}", TEMPLATE_NAMES)
    with pytest.raises(TemplateError, match="nested"):
        render({"properties": {"deep": deep}})


@pytest.mark.parametrize("depth", [60, 300])
def test_a_constant_that_is_nested_too_deeply_is_refused(depth):
    """The same bound for what stands in the definition: it could not be written either."""
    deep = 1
    for _ in range(depth):
        deep = [deep]
    assert "nested" in refused({"a": deep})


@pytest.mark.parametrize(
    "text",
    [
        '{{ "\\ud800" }}',
        'x {{ "\\udfff" }}',
        '{{ "%c"|format(properties.code) }}',
        '{{ ["\\ud800"] }}',
        '{{ {"\\ud800": 1} }}',
    ],
)
def test_half_a_character_is_an_error_of_the_template(text):
    """A lone surrogate cannot be written as UTF-8: it must not come as far as the writer."""
    try:
        value = rendered(text)
    except TemplateError:
        return
    to_json(value)


def test_a_constant_that_cannot_be_written_is_refused():
    """As in a template."""
    assert refused({"a": "\ud800"})


# --- the sandbox


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ properties.__class__ }}",
        "{{ properties['__class__'] }}",
        "{{ entry.__class__ }}",
        "{{ entry['__class__'] }}",
        "{{ entry.__struct_fields__ }}",
        "{{ entry['__struct_config__'] }}",
        "{{ matched.__add__ }}",
        "{{ now.__class__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ self.__init__.__globals__ }}",
        "{{ ''.format.__globals__ }}",
        "{{ '{0.__class__}'.format(properties) }}",
        "{{ '{0.__class__}'.format_map({'0': 1}) }}",
        "{{ properties['update']({'x': 1}) }}",
        "{{ properties['pop']('name') }}",
        "{{ properties['clear']() }}",
        "{{ properties.sizes.append(1) }}",
        "{{ matched.clear() }}",
        "{% set entry.x = 1 %}",
        "{{ [].__class__.__base__ }}",
        "{{ (1).__class__ }}",
        "{{ joiner.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ lipsum.__globals__ }}",
        "{{ range(3) }}",
        "{{ namespace(a=1) }}",
        "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
        "{% for x in [1] %}{{ loop._iterable }}{% endfor %}",
        "{{ properties|map(attribute='__class__')|list }}",
        "{{ matched|map(attribute='__class__')|list }}",
        "{{ matched|groupby('__class__') }}",
        "{{ matched|sum(attribute='__class__') }}",
        "{{ properties|xmlattr(__class__) }}",
        "{% debug %}",
        "{{ open('/etc/passwd') }}",
        "{{ dict(a=1).__class__ }}",
    ],
)
def test_nothing_gets_out_of_the_sandbox(text):
    """Python's insides cannot be read, and the customer's data cannot be changed."""
    before = repr(SCOPE)
    with pytest.raises(TemplateError):
        compile_value(text, TEMPLATE_NAMES)(SCOPE)
    assert repr(SCOPE) == before


CHANCE = [
    "{{ [1, 2, 3]|random }}",
    "{{ properties.sizes|random }}",
    "{{ lipsum() }}",
    "{{ properties['get'] }}",
    "{{ properties['get'] ~ '' }}",
    "a {{ properties['get'] }}",
    "a {{ [properties['get']] }}",
    "{{ {'a': properties['get']} }} a",
    "{{ properties['get']|string }}",
    "{{ properties['get']|pprint }}",
    "{{ properties['get']|upper }}",
    "{{ [properties['get']]|join }}",
    "{{ [properties['get']]|string }}",
    "{{ 'a'.upper ~ '' }}",
    "{{ 'a'.upper|pprint }}",
    "{{ 'a'.upper|replace('x', 'y') }}",
    "{{ (1).bit_length ~ '' }}",
    "{{ '%s' % [properties['get']] }}",
    "{{ '%s'|format(properties['get']) }}",
    "{{ '%r' % ([properties['get']],) }}",
    "{{ '{}'.format(properties['get']) }}",
    "{{ properties.sizes|map('upper') }}",
    "{{ properties.sizes|map('upper') ~ '' }}",
    "{{ [properties.sizes|map('upper')] }}",
    "x{{ [properties.sizes|map('upper')] }}",
    "{{ properties.sizes|batch(1)|string }}",
    "{{ properties|items|string }}",
    "{{ properties|items ~ '' }}",
    "{% set x = properties['get'] %}{{ x ~ 1 }}",
    "{% macro m(y) %}{{ y ~ '' }}{% endmacro %}{{ m(properties['get']) }}",
    "{% for x in [1] %}{{ loop ~ '' }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m }}",
    "{{ self }}",
    "{{ namespace(a=1) }}",
    "{{ [namespace(a=1)] ~ '' }}",
    "{{ cycler(1) ~ '' }}",
]


@pytest.mark.parametrize("text", CHANCE)
def test_nothing_that_differs_from_run_to_run_gets_into_a_message(text):
    """An address in memory, a random choice: a replay would differ from the run that it replays."""
    try:
        value = rendered(text)
    except TemplateError:
        return
    assert " at 0x" not in str(value).lower()
    assert "random" not in text
    assert "lipsum" not in text


def test_the_same_data_gives_the_same_bytes():
    """Keys in the order in which they came, sets nowhere, nothing kept from one rendering to the next."""
    text = "{% for key in properties %}{{ key }},{% endfor %}{{ properties.deep }}{{ properties|tojson }}{{ properties.sizes|unique|list }}"
    render = compile_value(text, TEMPLATE_NAMES)
    assert {render(SCOPE) for _ in range(5)} == {compile_value(text, TEMPLATE_NAMES)(SCOPE)}


# --- whatever is written

TOKENS = [
    "{{", "}}", "{%", "%}", "{#", "#}", "{{-", "-}}", " ", "properties", "entry", "matched", "profile", "now", "nope", ".name",
    ".sizes", ".deep", ".gone", "['get']", "[0]", "()", "(", ")", "|upper", "|length", "|list", "|first", "|join", "|tojson",
    "|default(1)", "|string", "|random", "if ", "else", "endif", "for x in ", "endfor", "set x = ", "x", "1", "-", "+", "~", "==",
    "'a'", '"', "'", ",", "[", "]", "{", "}", "\n", "é", "\\ud800", "%", "is defined", "not ", "raw", "endraw", "block b", "endblock",
    "filter upper", "endfilter", "call ", "macro m()", "endmacro", "include 'x'", "autoescape true", "endautoescape", "with", "do ",
]  # fmt: skip


def answer(text):
    """Compile and render; a TemplateError is the only error that there is, and what comes out can be written."""
    try:
        value = compile_value(text, TEMPLATE_NAMES)(SCOPE)
    except TemplateError as error:
        assert str(error)  # noqa: PT017 - the other half of the sentence above
        return
    if "\\ud800" not in text:  # told apart above
        to_json(value)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=30), st.lists(st.sampled_from(TOKENS), max_size=12).map("".join)))
def test_whatever_is_written_a_template_answers_or_says_why_not(text):
    """No other error, when compiled or when rendered."""
    answer(text)


def test_whatever_is_written_a_template_answers_or_says_why_not_many_more_times():
    """The same with a seeded generator; every text has the braces that make it a template."""
    random = Random(3)
    for _ in range(3_000):
        inside = "".join(random.choices(TOKENS, k=random.randint(1, 6)))
        answer(
            random.choice(["{{ %s }}", "{{ properties%s }}", "a {{ entry%s }} b", "{%% if %s %%}x{%% endif %%}"])
            % inside
        )


@pytest.mark.parametrize("text", ["{{ 9**9**9 }}", "{{ 'x' * 10000000000 }}", "{{ 10000000000 * [1] }}"])
def test_what_grows_without_bound_is_refused_before_it_grows(text):
    """Constants are worked out by `check` already: it must come back."""
    with pytest.raises(TemplateError, match=r"without bound|more than 100,000 parts"):
        rendered(text)


def test_numbers_are_multiplied_and_texts_repeated_a_little():
    assert (rendered("{{ 3 * properties.price }}"), rendered("{{ '-' * 3 }}")) == (28.5, "---")
