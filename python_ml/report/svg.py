"""Plots for the pages: matplotlib draws, and its SVG is made part of the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from python_ml.report.page import cleaned

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

WIDE, NARROW = 840.0, 380.0  # CSS pixels of the column of a wide and of a narrow window

# matplotlib draws with placeholders; the page puts its CSS variables there, so that plots follow light and dark mode.
_NAMES = ("ink", "muted", "rule", "paper", "subject", "recency", "oracle", "random", "high", "medium", "low", "quiet")
COLOURS = {name: f"#0000{number:02x}" for number, name in enumerate(_NAMES, start=1)}
_VARIABLES = {placeholder: f"var(--{name})" for name, placeholder in COLOURS.items()}
_STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "report", "text.parse_math": False, "font.size": 12,
    "text.color": COLOURS["muted"], "axes.labelcolor": COLOURS["muted"], "axes.titlecolor": COLOURS["muted"],
    "xtick.labelcolor": COLOURS["muted"], "ytick.labelcolor": COLOURS["muted"], "xtick.color": COLOURS["random"],
    "axes.edgecolor": COLOURS["random"], "axes.labelsize": 12, "axes.titlesize": 12, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False, "axes.axisbelow": True,
    "axes.titley": 1.0, "axes.grid": True, "axes.grid.axis": "y", "grid.color": COLOURS["rule"], "ytick.major.size": 0,
    "ytick.major.pad": 7, "xaxis.labellocation": "right", "axes.autolimit_mode": "round_numbers", "axes.xmargin": 0,
    "axes.ymargin": 0, "path.simplify_threshold": 0.3, "lines.linewidth": 1.75,
}  # fmt: skip
_KEPT = {
    *("fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "stroke-linejoin"),
    *("stroke-linecap", "opacity", "font-size", "font-weight", "text-anchor"),
}


def draw(
    name: str,
    title: str,
    description: str,
    size: tuple[float, float],
    paint: Callable[[Figure], None],
    margins: tuple[float, float, float, float] | None = None,
) -> Markup:
    """Draw a plot.

    Parameters
    ----------
    name : str
        With which the identifiers of the plot begin; they must be unique on a page.
    title, description : str
        Read out where the plot is not seen.
    size : tuple of float
        Width and height in CSS pixels.
    paint : callable
        Fills the figure that it is given.
    margins : tuple of float, optional
        Left, right, top and bottom in pixels; by default what the labels need, which takes longer.

    Returns
    -------
    markupsafe.Markup
        An SVG element that depends on the arguments alone: colours are CSS variables, text is text.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    width, height = size
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # matplotlib's font lacks glyphs that the browser has
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=(width / 72, height / 72), layout=None if margins else "constrained")
        if margins:
            left, right, top, bottom = margins
            figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
        paint(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _embedded(buffer.getvalue(), name, title, description)


def _embedded(svg: str, name: str, title: str, description: str) -> Markup:
    """Turn a document of matplotlib into an element for a page whose policy forbids style attributes."""
    from markupsafe import Markup

    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg[svg.index("<svg") :]).replace("xlink:href", "href")
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<clipPath.*?</clipPath>", "", svg, flags=re.DOTALL)
    root = ElementTree.fromstring(cleaned(svg))  # noqa: S314 -- matplotlib wrote it, and it has no entities
    used = {element.get("href", "") for element in root.iter("use")}
    for element in root.iter():
        element.text, element.tail = (element.text or "").strip(), ""
        for attribute in ("width", "height", "clip-path", "version"):
            element.attrib.pop(attribute, None)
        for part in element.attrib.pop("style", "").split(";"):
            key, _, value = part.strip().partition(": ")
            if key in _KEPT:
                element.set(key, _VARIABLES.get(value, value))
        identifier = element.attrib.pop("id", "")
        if f"#{identifier}" in used:
            element.set("id", f"{name}-{identifier}")
        if "href" in element.attrib:
            element.set("href", f"#{name}-{element.attrib['href'][1:]}")
        if element.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        for key in ("d", "x", "y", "transform", "stroke-width", "stroke-dasharray"):
            if key in element.attrib:
                element.set(key, _short(element.attrib[key]))
    root.set("width", root.attrib["viewBox"].split()[2])
    root.attrib |= {"role": "img", "aria-label": cleaned(f"{title}. {description}"), "stroke-linejoin": "round"}
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        child = ElementTree.Element(tag)
        child.text = cleaned(text)
        root.insert(position, child)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 -- serialised, so escaped


def _short(numbers: str) -> str:
    """Write coordinates with one decimal place: finer is invisible and makes pages large."""
    numbers = re.sub(r"-?\d+\.\d+", lambda match: f"{float(match[0]):.1f}".removesuffix(".0"), numbers)
    return " ".join(numbers.split())
