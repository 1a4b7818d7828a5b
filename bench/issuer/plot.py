"""The figures as a drawing: how many times each bar is reached, one mark per
database, on a logarithmic axis. SVG with classes, so that it follows the
reader's light or dark page."""

import math
from xml.sax.saxutils import escape

WIDTH, LABELS, NOTES, ROW, TOP = 900, 230, 170, 40, 84
LEAST, MOST = 0.25, 64
TICKS = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64]

STYLE = """
svg { font: 13px system-ui, sans-serif; }
.page { fill: #ffffff; }
text { fill: #1f2328; }
.quiet { fill: #59636e; }
.title { font-size: 15px; font-weight: 600; }
.tick { stroke: #d1d9e0; }
.bar { stroke: #59636e; stroke-width: 1.5; }
.c0 { fill: #0550ae; } .c1 { fill: #bc4c00; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; }
  text { fill: #f0f6fc; }
  .quiet { fill: #9198a1; }
  .tick { stroke: #30363d; }
  .bar { stroke: #9198a1; }
  .c0 { fill: #58a6ff; } .c1 { fill: #f0883e; }
}
"""


def svg(figures):
    engines = list(dict.fromkeys(figure.engine for figure in figures))
    # Revocation has another way on each database, and is one row all the same.
    rows = list(dict.fromkeys(row_of(figure) for figure in figures))
    height = TOP + ROW * len(rows) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-labelledby="what">',
        '<title id="what">How many times the issuer reaches each bar; the figures are in the '
        "table</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>',
        text(20, 28, "The issuer: how many times each bar is reached", "title"),
    ]
    for n, engine in enumerate(engines):
        parts.append(f'<circle class="c{n}" cx="{26 + 120 * n}" cy="48" r="6"/>')
        parts.append(text(38 + 120 * n, 52, engine))
    for tick in TICKS:
        kind = "bar" if tick == 1 else "tick"
        x, foot = across(tick), height - 34
        parts.append(f'<line class="{kind}" x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{foot}"/>')
        parts.append(text(x, foot + 18, f"{tick:g} ×", "quiet", "middle"))
    for n, row in enumerate(rows):
        y = TOP + ROW * n + ROW / 2
        parts.append(text(LABELS - 12, y + 4, row, anchor="end"))
        here = [figure for figure in figures if row_of(figure) == row]
        for figure in here:
            index = engines.index(figure.engine)
            at = y + 10 * (index - (len(engines) - 1) / 2)
            parts.append(f'<circle class="c{index}" cx="{across(figure.share):.1f}" cy="{at:.1f}" r="6"/>')
            parts.append(text(WIDTH - NOTES + 14, at + 4 + 3 * (2 * index - 1), shown(figure), "quiet"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def row_of(figure):
    return figure.name.split(",")[0] if figure.name.startswith("revocation") else figure.name


def shown(figure):
    digits = 0 if figure.value >= 100 else 2 if figure.value < 10 else 1
    return f"{figure.value:,.{digits}f} {figure.unit}"


def across(share):
    share = min(max(share, LEAST), MOST)
    room = WIDTH - LABELS - NOTES
    return LABELS + room * math.log(share / LEAST) / math.log(MOST / LEAST)


def text(x, y, words, kind="", anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
