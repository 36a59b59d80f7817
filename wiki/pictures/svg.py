"""Writing SVG: elements with escaped attributes, a picture with its title and description, and a linear scale."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString, mark_safe

Attribute = str | float | int | None


def element(tag: str, *children: str, **attributes: Attribute) -> str:
    """`element("line", x1=0, class_="axis")`. Children must be elements already; text goes through `words`."""
    written = "".join(_attribute(name, value) for name, value in attributes.items() if value is not None)
    return f"<{tag}{written}>{''.join(children)}</{tag}>" if children else f"<{tag}{written}/>"


def words(text: str, x: float, y: float, class_: str = "", anchor: str = "start") -> str:
    """A line of text; anchor: start, middle or end."""
    return element("text", escape(text), x=x, y=y, class_=class_ or None, text_anchor=anchor)


def picture(
    title: str, description: str, size: tuple[float, float], children: Iterable[str], *, class_: str, role: str = "img"
) -> SafeString:
    """The whole picture. role "group" for pictures that hold links, "img" for all others."""
    width, height = size
    drawn = element(
        "svg",
        element("title", escape(title)),
        element("desc", escape(description)),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        class_=f"picture {class_}",
        role=role,
        aria_label=title,
    )
    return mark_safe(drawn)  # every text in it went through escape


def number(value: float) -> str:
    """As short as a picture needs it: at most two decimals."""
    written = f"{value:.2f}"
    return written.rstrip("0").rstrip(".")


def figure(value: float) -> str:
    """A measured value for people: three significant digits, a true minus sign."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    written = f"{value:.{digits}f}" if digits <= 5 else f"{value:.1e}"
    return written.replace("-", "−")


def short(label: str, longest: int) -> str:
    """A name cut to what a picture has room for; it must be told whole elsewhere."""
    return label if len(label) <= longest else f"{label[: longest - 1]}…"


def tick_label(value: float, step: float) -> str:
    """A round value on an axis whose ticks lie `step` apart."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{digits}f}".replace("-", "−")


def _attribute(name: str, value: Attribute) -> str:
    text = value if isinstance(value, str) else number(value or 0)
    spelled = name if name == "viewBox" else name.rstrip("_").replace("_", "-")
    return f' {spelled}="{escape(text, quote=True)}"'


@dataclass(frozen=True)
class Scale:
    """Values from low to high, laid over pixels from left to right."""

    low: float
    high: float
    left: float
    right: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)

    def ticks(self, about: int = 5) -> tuple[list[float], float]:
        """Round values inside the scale, and the step between them."""
        step = _round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)], step


def scale_over(values: Iterable[float], left: float, right: float) -> Scale:
    """A scale with a little room on both sides of the finite values."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    room = (high - low) * 0.08 or abs(low) * 0.1 or 1.0
    return Scale(low - room, high + room, left, right)


def _round_step(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.999)


def axis(scale: Scale, y: float, unit: str) -> list[str]:
    """A horizontal axis with ticks, their labels below, and the unit at its right end."""
    ticks, step = scale.ticks()
    drawn = [element("line", x1=scale.left, x2=scale.right, y1=y, y2=y, class_="axis")]
    for value in ticks:
        x = scale(value)
        drawn += [
            element("line", x1=x, x2=x, y1=y, y2=y + 4, class_="axis"),
            words(tick_label(value, step), x, y + 15, "tick", "middle"),
        ]
    return [*drawn, words(unit, scale.right, y + 29, "unit", "end")] if unit else drawn
