"""Pages of HTML that stand alone: one file, styles and pictures within, nothing fetched, no script needed to read it.

Templates are in `flows/html`; every page extends `page.html.j2`, which has the layout, the colours (light and dark, with the
contrast that WCAG 2 AA asks for) and what makes it readable on a phone. All values are escaped.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from state.errors import OutsideError

TEMPLATES = Path(__file__).parent / "html"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda value: f"{value:,}"
    return environment


def write_page(path: Path, template: str, **values: Any) -> None:
    """Write a page, whole or not at all.

    Args:
        path: The file.
        template: Name of the template, without `.html.j2`.
        values: What the template shows.

    Raises:
        OutsideError: It cannot be written.
    """
    text = _environment().get_template(f"{template}.html.j2").render(**values)
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise OutsideError(f"{path}: {error.strerror or error}; name a file that can be written") from error
