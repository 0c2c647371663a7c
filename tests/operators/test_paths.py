"""Property paths: what they find, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.expressions import ExpressionError
from operators.paths import PATH_VALUES_MAX, Path, compile_path
from tests.operators.expression_cases import event


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("properties.category", ["tents"]),
        ("properties.nothing", []),
        ("properties.null", []),
        ("properties.category.x", []),
        ("properties.null.x", []),
        ("properties.price.amount-eur", [5]),
        ("properties.$zero", [0]),
        ("properties._id", [False]),
        ("properties.42", [""]),
        ("properties.price", [{"amount-eur": 5}]),
        (
            "properties.products",
            [[{"category": "tents"}, {"category": None}, {}, None, {"category": "boots"}, {"category": "tents"}]],
        ),
        ("properties.products[].category", ["tents", "boots"]),
        ("properties.products[].nothing", []),
        ("properties.products[]", [{"category": "tents"}, {"category": None}, {}, {"category": "boots"}]),
        ("properties.category[]", []),
        ("properties.price[]", []),
        ("properties.tags[]", ["x", 1, True, "1", 0, False]),
        ("properties.nested[].in[].x", [1, 2, 3]),
        ("context.page.path", ["/tents"]),
        ("context.nothing.path", []),
        ("name", ["Product Viewed"]),
        ("time", [7]),
        ("message_id", ["m-1"]),
    ],
)
def test_a_path_finds_what_is_there_in_order_and_without_repeats(text, values):
    """Missing and null are nothing; 1, True and '1' are three things; `[]` opens lists only."""
    seen = event(
        time=7,
        message_id="m-1",
        context={"page": {"path": "/tents"}},
        **{
            "category": "tents",
            "null": None,
            "price": {"amount-eur": 5},
            "$zero": 0,
            "_id": False,
            "42": "",
            "products": [
                {"category": "tents"},
                {"category": None},
                {},
                None,
                {"category": "boots"},
                {"category": "tents"},
            ],
            "tags": ["x", 1, 1.0, True, "1", None, "x", 0, False],
            "nested": [{"in": [{"x": 1}, {"x": 2}]}, {"in": {"x": 9}}, 5, {"in": [{"x": 2}, {"x": 3}]}],
        },
    )
    path = compile_path(text)
    found = path.values(seen)
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]
    found.append("mine")
    assert path.values(seen) == values


def test_paths_written_alike_are_equal():
    """They are values, too."""
    assert compile_path("properties.x") == compile_path("properties.x") != compile_path("context.x")
    assert isinstance(compile_path("properties.x"), Path)
    assert len({compile_path("properties.x"), compile_path("properties.x")}) == 1


def test_a_path_finds_a_bounded_number_of_values():
    """However long the list is, and whatever it repeats."""
    many = event(items=[{"x": n} for n in range(5_000)])
    assert compile_path("properties.items[].x").values(many) == list(range(PATH_VALUES_MAX))
    assert len(compile_path("properties.items[]").values(many)) == PATH_VALUES_MAX


@pytest.mark.parametrize(
    ("text", "column", "instead"),
    [
        ("category", 1, "write properties.category for a property"),
        ("products[].category", 1, "write properties.products[].category"),
        ("event.properties.category", 1, "write properties.category"),
        ("event.name", 1, "write name"),
        ("propertes.category", 1, "write properties.category"),
        ("profile.email", 1, "write properties.profile.email for a property"),
        ("nam", 1, "write name"),
        ("name.first", 1, "write name, which has no parts"),
        ("properties", 12, "letters, digits"),
        ("properties.", 12, "letters, digits"),
        ("properties..x", 12, "letters, digits"),
        ("properties.x.", 14, "letters, digits"),
        ("properties.products[0].x", 12, "[] for any item"),
        ("properties.products[", 12, "[] for any item"),
        ("properties.[].x", 12, "[] for any item"),
        ("properties.x[][]", 12, "[] for any item"),
        ("properties.a b", 12, "letters, digits"),
        ("properties.x\n", 12, "letters, digits"),
        ("properties[].x", 1, "write properties."),
        ("", 1, "write one, such as properties.category"),
        ("properties." + "x" * 200, 1, "1 to 200 characters"),
        (None, 1, "write one, such as properties.category"),
        (5, 1, "write one, such as properties.category"),
    ],
)
def test_a_path_that_is_none_is_refused_with_what_to_write(text, column, instead):
    """In the words of expressions' errors."""
    with pytest.raises(ExpressionError) as refused:
        compile_path(text)
    assert instead in str(refused.value)
    assert refused.value.column == column


@settings(deadline=None)
@given(
    st.one_of(
        st.text(st.characters()),
        st.lists(st.sampled_from(["properties", "context", ".", "[]", "x", "$", "name", "\ud800"])).map("".join),
    )
)
def test_random_text_is_a_path_or_refused(text):
    """Nothing else is raised, and the message can be printed."""
    try:
        assert compile_path(text).values(event(x=[{"x": 1}])) is not None
    except ExpressionError as error:
        assert str(error).encode()  # noqa: PT017 - the other half of the sentence above


def _walk(data, keys):
    """The oracle of paths: recursive, and in words nearest to their description."""
    if not keys:
        return [] if data is None else [data]
    key, *rest = keys
    below = data.get(key.removesuffix("[]")) if isinstance(data, dict) else None
    if not key.endswith("[]"):
        return _walk(below, rest)
    return [found for item in (below if isinstance(below, list) else []) for found in _walk(item, rest)]


_tree = st.recursive(
    st.one_of(st.none(), st.integers(0, 2), st.sampled_from("xy")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)),
    max_leaves=15,
)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from("ab"), _tree),
    st.lists(st.sampled_from(["a", "b", "a[]", "b[]"]), min_size=1, max_size=4),
)
def test_a_path_finds_what_a_plain_walk_finds(properties, keys):
    """Against a recursive walk, repeats removed by comparing each with each."""
    expected = []
    for found in _walk(properties, keys):
        if found not in expected:
            expected.append(found)
    assert compile_path(".".join(["properties", *keys])).values(event(**properties)) == expected
