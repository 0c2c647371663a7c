"""Templates in `with:`: Jinja2 in a sandbox, compiled once, rendered into values that can be written as JSON.

A text that is one single `{{ expression }}` keeps the type of its value (a price stays a number); any other text
becomes text. A name or property that is not there is an error, never an empty place in a message: the action is
withheld and the fact says why.
"""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATE_NAMES = ("event", "properties", "entry", "first", "matched", "profile", "now", "journey")
"""Root names that a template may use."""

TEXT_CHARACTERS_MAX = 100_000
"""Of one rendered text: several long mails, and far below the size of a record."""

Render = Callable[[Mapping[str, Any]], Any]


class TemplateError(ValueError):
    """A template that cannot be compiled, or cannot be rendered for this customer; the message says why."""


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with dots that read data: `x.items` is the property of that name, never a method."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        names = getattr(type(obj), "expression_names", None)
        if names is not None:
            return getattr(obj, attribute) if attribute in names else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


def _finalize(value: Any) -> Any:
    """Refuse to print what is no data: a method's text holds its address, and would differ from run to run."""
    if isinstance(value, (str, int, float, dict, list, tuple, Undefined)) or value is None:
        return value
    raise TemplateError(f"the template prints a {type(value).__name__}, which is no text, number, list or mapping")


_environment = _Environment(
    undefined=StrictUndefined,
    autoescape=False,
    keep_trailing_newline=True,
    finalize=_finalize,
)
# What decides by chance would make a replay differ from the run that it replays.
del _environment.filters["random"], _environment.globals["lipsum"]


def compile_value(value: Any, names: Collection[str]) -> Render:
    """Compile one value of `with:`; lists and mappings are compiled through.

    Raises:
        TemplateError: A text is no template, or uses names that there are not.
    """
    if isinstance(value, str):
        return _compile_text(value, names) if "{{" in value or "{%" in value or "{#" in value else _constant(value)
    if isinstance(value, dict):
        parts = {str(key): compile_value(part, names) for key, part in value.items()}
        return lambda scope: {key: part(scope) for key, part in parts.items()}
    if isinstance(value, (list, tuple)):
        items = [compile_value(item, names) for item in value]
        return lambda scope: [item(scope) for item in items]
    return _constant(_plain(value))


def names_used(value: Any) -> frozenset[str]:
    """The root names that the templates in a value use."""
    if isinstance(value, str):
        return frozenset(meta.find_undeclared_variables(_environment.parse(value)))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return frozenset().union(*(names_used(part) for part in parts))


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
        single = _single_expression(tree, text)
        if single is not None:
            evaluate = _environment.compile_expression(single, undefined_to_none=False)
            return _guarded(text, lambda scope: evaluate(**scope))
        render = _environment.from_string(text).render
        return _guarded(text, lambda scope: render(**scope))
    except TemplateSyntaxError as error:
        raise TemplateError(f"the template {_shown(text)} is no Jinja2: {error.message}") from error
    except (RecursionError, MemoryError, OverflowError) as error:
        raise TemplateError(f"the template {_shown(text)} is too large or too deeply nested") from error


def _single_expression(tree: nodes.Template, text: str) -> str | None:
    """The expression, where the whole text is one `{{ expression }}`."""
    stripped = text.strip()
    output = tree.body[0] if len(tree.body) == 1 else None
    expressions = (
        [n for n in output.nodes if not isinstance(n, nodes.TemplateData)] if isinstance(output, nodes.Output) else []
    )
    if len(expressions) == 1 and stripped.startswith("{{") and stripped.endswith("}}") and stripped.count("{{") == 1:
        return stripped[2:-2].strip("-+")
    return None


def _guarded(text: str, render: Render) -> Render:
    def guarded(scope: Mapping[str, Any]) -> Any:
        try:
            return _plain(render(scope))
        except TemplateError:
            raise
        except Exception as error:
            # Templates are the author's code run on the customer's data: whatever they raise is theirs to mend.
            raise TemplateError(f"{_shown(text)}: {error or type(error).__name__}") from error

    return guarded


def _plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON can hold it."""
    if isinstance(value, Undefined):
        str(value)  # StrictUndefined raises with the name of what is missing
        raise TemplateError("a value is missing")
    if isinstance(value, str):
        if len(value) > TEXT_CHARACTERS_MAX:
            raise TemplateError(f"a text of {len(value):,} characters; at most {TEXT_CHARACTERS_MAX:,} are sent")
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise TemplateError("a number that is infinite, or none")
        return value
    if depth > 50:
        raise TemplateError("a value is nested more than 50 deep")
    if isinstance(value, dict):
        return {str(key): _plain(part, depth + 1) for key, part in value.items()}
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=str)
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if hasattr(type(value), "expression_names"):
        return {name: _plain(getattr(value, name), depth + 1) for name in sorted(type(value).expression_names)}
    _finalize(value)
    return str(value)


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 80 else f"{text[:77]!r}..."
