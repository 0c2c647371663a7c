"""Templates in `with:`: Jinja2 in a sandbox, compiled once, rendered into values that can be written as JSON.

A text that is one single `{{ expression }}` keeps the type of its value (a price stays a number); any other text
becomes text. A name or property that is not there is an error, never an empty place in a message: the action is
withheld and the fact says why.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import wraps
from math import isfinite
from typing import Any, cast

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, meta, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATE_NAMES = ("event", "properties", "entry", "first", "matched", "profile", "traits", "segments", "now", "journey")
"""Root names that a template may use."""

TEXT_CHARACTERS_MAX = 100_000
"""Of one rendered text: several long mails, and far below the size of a record."""

DEPTH_MAX = 50
"""Lists and mappings inside each other: more than any message has, and less than JSON writers can do."""

_BITS_MAX = 1_024  # of a number that is multiplied: what a double can hold

Render = Callable[[Mapping[str, Any]], Any]


class TemplateError(ValueError):
    """A template that cannot be compiled, or cannot be rendered for this customer; the message says why."""


class _Function:
    """A function that a template can call and nothing else: as text it would hold its address in memory."""

    __slots__ = ("_function", "_name")

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        raise TemplateError(f"{self._name!r} is a function: call it, as {self._name}()")

    __str__ = __repr__


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with dots and brackets that read data: `x.items` is the property of that name, never a method.

    No object gets in whose text holds an address: that would differ from run to run, and there are too many ways to make
    text (`~`, `%`, `join`, ...) to watch each.
    """

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, Mapping):  # traits; those by value have a number for what is not in them, too
            return self.getitem(obj, attribute)
        if isinstance(obj, str):
            if attribute in _TEXT_METHODS:
                return _Function(getattr(obj, attribute), attribute)
        elif isinstance(obj, (Undefined, LoopContext)):
            return super().getattr(obj, attribute)
        else:
            # What an event shows; the fields of the pairs that `groupby` gives.
            names: Any = getattr(type(obj), "expression_names", None) or getattr(type(obj), "_fields", ())
            if attribute in names:
                return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    # Jinja2 would also work these out while it compiles, so a short text could take all memory in `check` already.
    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Multiply numbers, and texts by a few; nothing that grows without bound."""
        if operator == "**":
            raise TemplateError("the template uses **, which can grow without bound; multiply instead")
        for repeated, times in ((left, right), (right, left)):
            is_long = isinstance(repeated, (str, list, tuple)) and isinstance(times, int)
            if is_long and len(repeated) * times > TEXT_CHARACTERS_MAX:
                raise TemplateError(f"the template repeats something into more than {TEXT_CHARACTERS_MAX:,} parts")
            if isinstance(repeated, int) and repeated.bit_length() > _BITS_MAX:
                raise TemplateError("the template multiplies a number that is too large")
        return super().call_binop(context, operator, left, right)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Undefined):
            return super().getitem(obj, argument)
        keyed = isinstance(obj, (dict, Mapping))
        if keyed or (isinstance(obj, (list, tuple, str)) and not isinstance(argument, str)):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                return self.undefined(obj=obj, name=argument)
        return self.getattr(obj, argument) if isinstance(argument, str) else self.undefined(obj=obj, name=argument)


_TEXT_METHODS = frozenset(
    re.findall(
        r"\w+",
        "capitalize casefold count endswith find isalpha isdigit lower lstrip partition removeprefix removesuffix replace"
        " rfind rpartition rsplit rstrip split splitlines startswith strip title upper zfill",
    )
)
"""What can be called of a text. Not `format`: the sandbox guards it only where it sees the method itself."""


def _listing(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that gives a list where it gave a generator, whose text would be its address."""

    @wraps(function)
    def listed(*args: Any, **kwargs: Any) -> list[Any]:
        return list(function(*args, **kwargs))

    return listed


def _finalize(value: Any) -> Any:
    """What is printed for a value: data alone, and no null, for nobody is to be greeted with `Hello None`."""
    if value is None:
        raise TemplateError("a null is printed; write |default('...', true) for what to print instead")
    if isinstance(value, (dict, list, tuple, Mapping)):
        return plain(value)
    return _data(value)


def _data(value: Any) -> Any:
    if isinstance(value, (str, int, float, Undefined)):
        return value
    raise TemplateError(f"the template prints a {type(value).__name__}, which is no text, number, list or mapping")


_environment = _Environment(
    undefined=StrictUndefined,
    autoescape=False,
    keep_trailing_newline=True,
    finalize=_finalize,
)
# What decides by chance, or by which object a value is, would make a replay differ from the run that it replays; `attr`
# reads methods. Of the globals `range` stays, the one whose results are plain data.
del _environment.filters["random"], _environment.filters["attr"], _environment.tests["sameas"]
_environment.globals = {"range": _Function(cast("Callable[..., Any]", _environment.globals["range"]), "range")}
for _name in ("batch", "items", "map", "reject", "rejectattr", "reverse", "select", "selectattr", "slice", "unique"):
    _environment.filters[_name] = _listing(_environment.filters[_name])


def compile_value(value: Any, names: Collection[str], depth: int = 0) -> Render:
    """Compile one value of `with:`; lists and mappings are compiled through.

    Raises:
        TemplateError: A text is no template, or uses names that there are not.
    """
    if isinstance(value, str) and ("{{" in value or "{%" in value or "{#" in value):
        return _compile_text(value, names)
    if depth > DEPTH_MAX:
        raise TemplateError(f"a value is nested more than {DEPTH_MAX} deep")
    if isinstance(value, dict):
        parts = {_text(str(key)): compile_value(part, names, depth + 1) for key, part in value.items()}
        return lambda scope: {key: part(scope) for key, part in parts.items()}
    if isinstance(value, (list, tuple)):
        items = [compile_value(item, names, depth + 1) for item in value]
        return lambda scope: [item(scope) for item in items]
    return _constant(plain(value))


def names_used(value: Any) -> frozenset[str]:
    """The root names that the templates in a value use."""
    if isinstance(value, str):
        return frozenset(meta.find_undeclared_variables(_environment.parse(value)))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return frozenset().union(*(names_used(part) for part in parts))


def paths_used(value: Any) -> frozenset[str]:
    """What the templates in a value read, as dotted paths as far as they can be known: `entry.properties.category`."""
    if isinstance(value, str):
        found: set[str] = set()
        _gather_paths(_environment.parse(value), found)
        return frozenset(found)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return frozenset().union(*(paths_used(part) for part in parts))


def uses_in_template(value: Any) -> tuple[frozenset[str], frozenset[str], bool, bool]:
    """What the templates in a value read of traits and segments.

    Returns:
        Names of traits; names of segments; and whether traits, or segments, are read as a whole: any may be meant then.
    """
    traits: set[str] = set()
    segments: set[str] = set()
    whole: set[str] = set()
    for text in _texts(value):
        _gather_uses(_parse(text), traits, segments, whole)
    return frozenset(traits), frozenset(segments), "traits" in whole, "segments" in whole


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from _texts(part)


def _parse(text: str) -> nodes.Template:
    try:
        return _environment.parse(text)
    except (TemplateSyntaxError, RecursionError) as error:
        raise TemplateError(f"the template {_shown(text)} is no Jinja2: {error}") from error


def _gather_uses(node: nodes.Node, traits: set[str], segments: set[str], whole: set[str]) -> None:
    match node:
        case nodes.Getattr(node=nodes.Name(name="traits"), attr=name):
            traits.add(name)
            return
        case nodes.Getitem(node=nodes.Name(name="traits"), arg=nodes.Const(value=str(name))):
            traits.add(name)
            return
        case nodes.Compare(
            expr=nodes.Const(value=str(name)),
            ops=[nodes.Operand(op=("in" | "notin"), expr=nodes.Name(name="segments"))],
        ):
            segments.add(name)
            return
        case nodes.Name(name=("traits" | "segments") as root):
            whole.add(root)
    for child in node.iter_child_nodes():
        _gather_uses(child, traits, segments, whole)


def _gather_paths(node: nodes.Node, found: set[str]) -> None:
    path: list[str] = []
    inner: nodes.Node = node
    while isinstance(inner, nodes.Getattr):
        path.append(inner.attr)
        inner = inner.node
    if isinstance(inner, nodes.Name):
        found.add(".".join([inner.name, *reversed(path)]))
        return
    for child in node.iter_child_nodes():
        _gather_paths(child, found)


def _constant(value: Any) -> Render:
    return lambda _scope: value


def _compile_text(text: str, names: Collection[str]) -> Render:
    try:
        tree = _environment.parse(text)
        for name in sorted(meta.find_undeclared_variables(tree)):
            if name not in names:
                near = get_close_matches(name, names, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
                raise TemplateError(f"the template uses {name!r}, which there is not; {hint}")
        if any(tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends))):
            raise TemplateError(f"the template {_shown(text)} takes in another one, and there are no others")
        single = _single_expression(tree, text)
        if single is not None:
            evaluate = _environment.compile_expression(single, undefined_to_none=False)
            return _guarded(text, lambda scope: evaluate(**scope))
        render = _environment.from_string(text).render
        return _guarded(text, lambda scope: render(**scope))
    except TemplateSyntaxError as error:
        raise TemplateError(f"the template {_shown(text)} is no Jinja2: {error.message}") from error
    except UndefinedError as error:  # in what Jinja2 computes beforehand, for it is constant
        raise TemplateError(f"{_shown(text)}: {error}") from error
    except (RecursionError, MemoryError, OverflowError) as error:
        raise TemplateError(f"the template {_shown(text)} is too large or too deeply nested") from error


def _single_expression(tree: nodes.Template, text: str) -> str | None:
    """The expression, where the whole text is one `{{ expression }}`."""
    stripped = text.strip()
    output = tree.body[0] if len(tree.body) == 1 else None
    parts = output.nodes if isinstance(output, nodes.Output) else []
    parts = [part for part in parts if not isinstance(part, nodes.TemplateData) or part.data.strip()]
    if len(parts) == 1 and stripped.startswith("{{") and stripped.endswith("}}"):
        # One character after the braces, and a minus before them, may be a mark of Jinja2 for the whitespace around.
        return stripped[3 if stripped[2] in "-+" else 2 : -2].removesuffix("-")
    return None


def _guarded(text: str, render: Render) -> Render:
    def guarded(scope: Mapping[str, Any]) -> Any:
        try:
            return plain(render(scope))
        except TemplateError:
            raise
        except Exception as error:
            # Templates are the author's code run on the customer's data: whatever they raise is theirs to mend.
            said = (str(error) or type(error).__name__).encode(errors="backslashreplace").decode()
            raise TemplateError(f"{_shown(text)}: {said}") from error

    return guarded


def plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON can hold it."""
    if isinstance(value, Undefined):
        str(value)  # StrictUndefined raises with the name of what is missing
        raise TemplateError("a value is missing")
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise TemplateError("a number that is infinite, or none")
        return value
    if depth > DEPTH_MAX:
        raise TemplateError(f"a value is nested more than {DEPTH_MAX} deep")
    if isinstance(value, (dict, Mapping)):
        return {_text(str(key)): plain(part, depth + 1) for key, part in value.items()}
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=str)
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    if hasattr(type(value), "expression_names"):
        return {name: plain(getattr(value, name), depth + 1) for name in sorted(type(value).expression_names)}
    return _data(value)


def _text(value: str) -> str:
    if len(value) > TEXT_CHARACTERS_MAX:
        raise TemplateError(f"a text of {len(value):,} characters; at most {TEXT_CHARACTERS_MAX:,} are sent")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise TemplateError(f"half a character, {value[error.start]!a}, cannot be written as UTF-8") from error
    return str(value)


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 80 else f"{text[:77]!r}..."
