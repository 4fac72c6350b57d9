"""The plot of headline.py: one panel a figure, one group of bars a number of connections. Relies on bench/harness,
which headline.py has put on the path."""
from harness.plot import FAINT, bar, document, text

PANELS = [
    ("requests_s", "requests per second", "more is better", lambda v: f"{v / 1000:.0f}k"),
    ("cpu_us", "CPU per request, µs", "less is better", lambda v: f"{v:.1f}"),
    ("p99_ms", "99th percentile, ms", "less is better", lambda v: f"{v:.0f}" if v >= 10 else f"{v:.1f}"),
    ("memory_mb", "memory, MB, kernel side included", "less is better", lambda v: f"{v:.0f}"),
    ("threads", "OS threads", "less is better", lambda v: f"{v:,}"),
]
COLOURS = ("#9aa5b1", "#2f7d5b")
WIDTH, HEIGHT, GAP, TOP, BOTTOM, BAR = 250, 220, 24, 100, 36, 30


def panel(left, key, title, hint, form, results, names):
    parts = [text(left, TOP - 18, title, 13, "start", weight="bold"), text(left, TOP - 3, hint, 10, "start", FAINT)]
    most = max((f[key] for of in results.values() for f in of.values() if f[key] is not None), default=0) or 1
    floor, room = TOP + HEIGHT - BOTTOM, HEIGHT - BOTTOM - 24
    for place, (connections, of) in enumerate(results.items()):
        middle = left + (place + 0.5) * WIDTH / len(results)
        parts.append(text(middle, floor + 16, f"{connections:,}", 11))
        for number, name in enumerate(names):
            value = of.get(name, {}).get(key)
            x = middle + (number - len(names) / 2) * BAR
            if value is None:
                continue
            high = max(room * value / most, 1)
            parts.append(bar(x + 1, floor - high, BAR - 2, high, COLOURS[number]))
            parts.append(text(x + BAR / 2, floor - high - 4, form(value), 9))
    parts.append(f'<line x1="{left}" y1="{floor}" x2="{left + WIDTH}" y2="{floor}" stroke="{FAINT}"/>')
    return "".join(parts)


def svg(results, names):
    width, height = GAP + len(PANELS) * (WIDTH + GAP), TOP + HEIGHT
    parts = [text(GAP, 28, "One thread-per-connection server binary, by number of connections", 17, "start", weight="bold")]
    for number, name in enumerate(names):
        x = GAP + number * 130
        parts.append(bar(x, 40, 12, 12, COLOURS[number]) + text(x + 18, 51, name, 12, "start"))
    for place, (key, title, hint, form) in enumerate(PANELS):
        parts.append(panel(GAP + place * (WIDTH + GAP), key, title, hint, form, results, names))
    return document(width, height, parts)
