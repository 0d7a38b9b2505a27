"""On a phone every chart keeps its plot, its legend and its titles; and *Why?* can be used."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser import TABS, keep_picture, settle
from tests.journeys.audits import low_contrast
from tests.journeys.conftest import Visit
from tests.journeys.test_looks import sections_of
from tests.server import Server

pytestmark = pytest.mark.browser

PHONE = ViewportSize(width=390, height=844)
_LEAST = 190  # px of the 390 that a plot must have

# The plot itself, not the box around it: what lies between the axes, as it is drawn.
_CHARTS = """() => {
  const visible = element => element.checkVisibility();
  const rect = element => element.getBoundingClientRect();
  const coloured = canvas => {  // how far apart the outermost columns with a colour are
    const {width, height} = canvas;
    const pixels = canvas.getContext('2d').getImageData(0, 0, width, height).data;
    let [first, last] = [width, -1];
    for (let i = 0; i < pixels.length; i += 4) {
      const [r, g, b, a] = pixels.slice(i, i + 4);
      if (a < 64 || Math.max(r, g, b) - Math.min(r, g, b) < 24) continue;  // grey: text, axes
      const column = (i / 4) % width;
      first = Math.min(first, column);
      last = Math.max(last, column);
    }
    return (last - first) * rect(canvas).width / width;
  };
  const lost = (svg) => {  // texts that lie outside of the drawing or the screen, but for leading
    const box = rect(svg);
    return [...svg.querySelectorAll('.role-axis-title text, .role-legend text, .role-title text')]
      .filter(text => {
        const {left, right, top, bottom} = rect(text);
        return text.textContent && (left < Math.max(box.left, 0) - 4 || top < box.top - 4
          || right > Math.min(box.right, innerWidth) + 4 || bottom > box.bottom + 4);
      }).map(text => text.textContent);
  };
  const vega = [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].filter(visible);
  const charts = vega.map(chart => {
    const svg = chart.querySelector('svg.marks');
    const canvas = chart.querySelector('canvas');
    const name = chart.getAttribute('aria-label') ?? chart.querySelector('[aria-label]')?.ariaLabel
      ?? chart.innerText.slice(0, 60);
    if (!svg) return {name, width: coloured(canvas), lost: []};
    const plot = svg.querySelector('.role-frame.root > g > path.background');
    return {name, width: rect(plot).width, lost: lost(svg)};
  });
  const bars = [...document.querySelectorAll('.bars:not(.short)')].filter(visible).map(figure => ({
    name: figure.ariaLabel, lost: [],
    width: Math.min(...[...figure.querySelectorAll('.t')].map(track => rect(track).width))}));
  return [...charts, ...bars];
}"""


def chart_faults(page: Page) -> tuple[int, list[str]]:
    """How many charts are in sight, and what is wrong with them."""
    charts = page.evaluate(_CHARTS)
    faults = [
        f"“{chart['name'][:60]}” has a plot of {chart['width']:.0f} px"
        for chart in charts
        if chart["width"] < _LEAST
    ]
    faults += [f"“{c['name'][:60]}” loses “{text}”" for c in charts for text in c["lost"]]
    return len(charts), faults


@pytest.mark.parametrize("tab", TABS)
def test_no_chart_loses_its_plot_its_legend_or_a_title_on_a_phone(
    app: Server, visiting: Visit, tab: str
) -> None:
    seen, wrong = 0, []
    with visiting(app, f"tab={tab}") as page:
        page.set_viewport_size(PHONE)
        for name in sections_of(page, tab):
            for scheme in ("dark", "light"):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                settle(page)
                charts, faults = chart_faults(page)
                seen += charts
                wrong += [f"{name}, {scheme}: {fault}" for fault in faults]
    assert seen >= 2
    assert not wrong, "\n".join(wrong)


def test_why_on_a_phone_shows_the_whole_score_and_the_ranks_without_its_reasons(
    app: Server, visiting: Visit
) -> None:
    with visiting(app, "tab=Recommendations&user=7&k=3") as page:
        page.set_viewport_size(PHONE)
        settle(page)
        page.get_by_role("button", name="Why?").nth(1).click()
        reasons = page.get_by_role("dialog", name="Why this film?")
        expect(reasons).to_contain_text(re.compile(r"these three make up .*\d+ %"))
        settle(page)
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            settle(page)
            charts, faults = chart_faults(page)
            assert charts >= 2 and not faults, faults
            assert not low_contrast(page)
        terms = reasons.locator("figure[aria-label^='What each rated film adds']")
        said = reasons.get_by_text("These lines add up to the graph score").inner_text()
        score = Decimal(re.search(r"graph score ([\d.]+) exactly", said)[1])
        shown = [Decimal(n.replace("−", "-")) for n in terms.locator(".v").all_inner_texts()]
        assert sum(shown) == score
        keep_picture(page, "phone_why", full_page=False)
        for name in ("Without them", "Tags and genres", "Similar films"):
            tab = reasons.get_by_role("tab", name=name)
            tab.click()  # refused by Playwright where something lies over it
            settle(page)
            assert chart_faults(page)[1] == []
        reasons.get_by_role("tab", name="Without them").click()
        ranks = reasons.get_by_role("cell").filter(has_text=re.compile(r"^[\d,]+(st|nd|rd|th)$"))
        expect(ranks.first).to_have_text("2nd")
        expect(ranks).to_have_count(5)  # as it is, without each of three, and without all
        reasons.get_by_role("button", name="Fit the model again without them").click()
        expect(ranks).to_have_count(10)
        keep_picture(page, "phone_without", full_page=False)
        page.keyboard.press("Escape")
        expect(reasons).to_be_hidden()
