"""The CPU of a request as a drawing: one bar for each contender, as a multiple of
nginx on a logarithmic axis. SVG with classes, so that it follows the reader's
light or dark page."""

import math
from html import escape

WIDTH, LABELS, MARGIN, ROW, HEAD, FOOT = 900, 250, 24, 26, 46, 44
TICKS = [1, 1.25, 2, 4, 8, 16, 32]
LEAST, MOST = 0.9, 40

STYLE = """
svg { font: 13px system-ui, sans-serif; }
.page { fill: #ffffff; }
text { fill: #1f2328; }
.quiet { fill: #59636e; }
.title { font-size: 15px; font-weight: 600; }
.tick { stroke: #d1d9e0; }
.floor { stroke: #59636e; stroke-width: 1.5; }
.ours { fill: #0550ae; } .theirs { fill: #bc4c00; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; }
  text { fill: #f0f6fc; }
  .quiet { fill: #9198a1; }
  .tick { stroke: #30363d; }
  .floor { stroke: #9198a1; }
  .ours { fill: #58a6ff; } .theirs { fill: #f0883e; }
}
"""


def x(ratio):
    share = math.log(min(max(ratio, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
    return LABELS + share * (WIDTH - LABELS - 3 * MARGIN)


def svg(figures):
    """`figures` are names, what each stands for, and multiples of nginx."""
    height = MARGIN + HEAD + ROW * len(figures) + FOOT
    first, last = MARGIN + HEAD - ROW / 2, MARGIN + HEAD + ROW * len(figures) - ROW / 2
    drawn = [f'<text class="title" x="{MARGIN}" y="{MARGIN + 8}">'
             "CPU time of a request, divided by nginx's for forwarding alone</text>"]
    for tick in TICKS:
        kind = "floor" if tick == 1 else "tick"
        drawn.append(
            f'<line class="{kind}" x1="{x(tick):.1f}" y1="{first}" x2="{x(tick):.1f}" y2="{last}"/>'
            f'<text class="quiet" x="{x(tick):.1f}" y="{last + 18}" text-anchor="middle">'
            f"{tick}×</text>"
        )
    for row, (name, what, ratio) in enumerate(figures):
        middle, left = MARGIN + HEAD + ROW * row, x(LEAST)
        kind = "ours" if name.startswith("doorward") else "theirs"
        drawn.append(
            f'<text x="{MARGIN}" y="{middle + 4}">{escape(what)}</text>'
            f'<rect class="{kind}" x="{left:.1f}" y="{middle - 7}" height="14" rx="2" '
            f'width="{x(ratio) - left:.1f}"><title>{escape(name)}: {ratio:.2f} ×</title></rect>'
            f'<text class="quiet" x="{x(ratio) + 6:.1f}" y="{middle + 4}">{ratio:.2f}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-labelledby="what">\n<title id="what">CPU time of a request at each gateway, as a '
        "multiple of nginx; the figures are in the table</title>\n"
        f"<style>{STYLE}</style>\n"
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>\n'
        + "\n".join(drawn) + "\n</svg>\n"
    )
