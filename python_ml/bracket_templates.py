"""Jinja with brackets for braces, to write files that are themselves full of Jinja: dbt's SQL and YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def bracket_environment(package: str) -> jinja2.Environment:
    """An environment for the templates of a package: ``[[ value ]]``, ``[% statement %]``, ``[# comment #]``.

    Parameters
    ----------
    package : str
        Whose folder ``templates`` has the files.
    """
    import jinja2

    return jinja2.Environment(  # noqa: S701 - SQL and YAML, not HTML
        loader=jinja2.PackageLoader(package),
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.do"],
    )
