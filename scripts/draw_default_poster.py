"""Draw default.png, the icon of the page: `python scripts/draw_default_poster.py`."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle

WIDTH, HEIGHT, DPI = 342, 513, 100  # pixels; 2:3 as film posters are
BACKGROUND, LINE, LIGHT = "#22303f", "#5c7389", "#8fa6ba"


def draw() -> Figure:
    """A clapperboard on a plain ground."""
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor=BACKGROUND)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.set_axis_off()
    board = FancyBboxPatch(
        (91, 190), 160, 100, boxstyle="round,pad=0,rounding_size=10", fc="none", ec=LINE, lw=4
    )
    axes.add_patch(board)
    axes.add_patch(Rectangle((91, 300), 160, 26, fc=LINE, ec="none"))
    for left in range(96, 240, 40):
        stripe = [(left, 300), (left + 18, 300), (left + 32, 326), (left + 14, 326)]
        axes.add_patch(Polygon(stripe, closed=True, fc=BACKGROUND, ec="none"))
    axes.add_patch(Circle((171, 240), 24, fc="none", ec=LIGHT, lw=3))
    axes.add_patch(Polygon([(164, 228), (164, 252), (184, 240)], closed=True, fc=LIGHT))
    axes.text(WIDTH / 2, 150, "no poster", color=LIGHT, ha="center", va="center", fontsize=13)
    return figure


if __name__ == "__main__":
    draw().savefig(Path(__file__).resolve().parent.parent / "default.png", facecolor=BACKGROUND)
