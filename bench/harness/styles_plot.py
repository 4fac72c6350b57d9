"""The plot of the styles: one panel a work, one bar a style. Bars are logarithmic, for styles differ by factors of hundreds."""
import math

from .plot import FAINT, bar, document, text

COLOURS = {"fcontext": "#9aa5b1", "greenlet": "#5b8c5a", "fiber": "#2f7d5b", "task": "#14532d"}
PEER = "#c9b27c"
COLUMNS, WIDTH, ROW, GAP, NAMES, TOP = 4, 300, 17, 28, 78, 60


def form(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def panel(left, top, title, rows):
    parts = [text(left, top, title, 13, "start", weight="bold")]
    least, most = min(v for _, v in rows) / 2, max(v for _, v in rows)
    room = WIDTH - NAMES - 56
    for place, (style, value) in enumerate(rows):
        y = top + 8 + place * ROW
        wide = max(room * math.log(value / least) / math.log(most / least), 1)
        parts.append(text(left + NAMES - 6, y + 12, style, 11, "end"))
        parts.append(bar(left + NAMES, y + 2, wide, ROW - 4, COLOURS.get(style, PEER)))
        parts.append(text(left + NAMES + wide + 4, y + 12, form(value), 10, "start"))
    return "".join(parts)


def svg(middle, styles, works):
    """middle: {(style, work): figure}."""
    panels = [(title, [(style, middle[style, key]) for style in styles if middle.get((style, key), 0) > 0]) for key, title in works]
    panels = [(title, rows) for title, rows in panels if rows]
    high = 34 + ROW * max((len(rows) for _, rows in panels), default=0)
    parts = [text(GAP, 26, "The same work in each style", 17, "start", weight="bold"),
             text(GAP, 43, "less is better; bars are logarithmic; fcontext stands for C: a raw jump, the epoll echo server", 11, "start",
                  FAINT)]
    for number, (title, rows) in enumerate(panels):
        parts.append(panel(GAP + number % COLUMNS * (WIDTH + GAP), TOP + 16 + number // COLUMNS * high, title, rows))
    return document(GAP + COLUMNS * (WIDTH + GAP), TOP + math.ceil(len(panels) / COLUMNS) * high, parts)
