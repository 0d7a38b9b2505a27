"""What can be checked on any page: names, headings, contrast, width, and the keyboard."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page

# --- what a screen reader is told -----------------------------------------------------------------

# Roles that mean nothing without a name. "region" is a table: its cells are a canvas.
NAMED_ROLES = frozenset(
    (
        *("button", "link", "tab", "tabpanel", "dialog", "heading", "DisclosureTriangle"),
        *("textbox", "searchbox", "spinbutton", "slider", "checkbox", "switch", "combobox"),
        *("listbox", "option", "radio", "radiogroup", "progressbar"),
        *("image", "graphics-document", "region"),
    )
)


@dataclass(frozen=True)
class Spoken:
    """A node of Chromium's accessibility tree; `level` is that of a heading, else 0."""

    role: str
    name: str
    level: int = 0


def spoken(page: Page) -> list[Spoken]:
    """Everything that a screen reader can find on the page, in reading order."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    by_id = {node["nodeId"]: node for node in nodes}

    def below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for child in node.get("childIds", []):
            if child in by_id:
                yield from below(by_id[child])

    return [_spoken(node) for node in below(nodes[0]) if not node.get("ignored")]


def _spoken(node: dict[str, Any]) -> Spoken:
    properties = {p["name"]: p["value"].get("value") for p in node.get("properties", [])}
    name = str(node.get("name", {}).get("value", "")).strip()
    return Spoken(node["role"]["value"], name, int(properties.get("level", 0)))


def accessibility_faults(page: Page) -> list[str]:
    """Controls and pictures without a name, and headings that skip a level."""
    nodes = spoken(page)
    faults = [f"{n.role} without a name" for n in nodes if n.role in NAMED_ROLES and not n.name]
    headings = [node for node in nodes if node.role == "heading"]
    if [node.level for node in headings].count(1) != 1 or headings[0].level != 1:
        faults.append("the page has not exactly one main heading, at its top")
    for before, after in pairwise(headings):
        if after.level > before.level + 1:
            faults.append(
                f"heading {after.name!r} (level {after.level}) follows {before.name!r} "
                f"(level {before.level})"
            )
    bare = page.locator("img:not([alt])")
    return faults + [f"image without alt: {src}" for src in bare.evaluate_all(_SOURCES)]


_SOURCES = "images => images.map(image => image.src.slice(0, 80))"

# --- what the eyes are given ----------------------------------------------------------------------

_LOW_CONTRAST = """() => {
  const rgba = text => {
    const canvas = window.__canvas ??= document.createElement('canvas').getContext(
      '2d', {willReadFrequently: true});
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => {
    const alpha = top[3];
    return [0, 1, 2].map(i => top[i] * alpha + below[i] * (1 - alpha)).concat(1);
  };
  const luminance = colour => {
    const [r, g, b] = colour.slice(0, 3).map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element, box) => {
    const layers = [];
    const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    for (let e = element; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      const area = e.getBoundingClientRect();
      const inside = area.left <= x && x <= area.right && area.top <= y && y <= area.bottom;
      const clips = !e.parentElement || style.overflowY !== 'visible';
      if (!inside && !clips) continue;  // drawn beside it, as the value of a slider
      if (style.backgroundImage !== 'none') return null;  // a gradient: no single answer
      const colour = rgba(style.backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const found = new Map();
  let count = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !/[0-9A-Za-z]/.test(text) || element.closest('script, style, canvas')) continue;
    if (!element.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    // Marks and their halos lie on other marks; axes, legends and titles on the chart itself.
    const svg = element.closest('svg');
    if (svg && !element.closest('.role-axis, .role-legend, .role-title')) continue;
    // What is switched off need not be readable (WCAG 1.4.3); icons are not text.
    if (element.closest('[disabled], [aria-disabled=true], [data-testid=stIconMaterial]')) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    const style = getComputedStyle(element);
    const below = background(svg ? svg.parentElement : element, box);
    if (!below) continue;
    let colour = rgba(svg ? style.fill : style.color);
    for (let e = element; e; e = e.parentElement) {
      colour[3] *= parseFloat(getComputedStyle(e).opacity);
    }
    colour = over(colour, below);
    const [dark, light] = [luminance(colour), luminance(below)].sort((a, b) => a - b);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
    count++;
    if (ratio < (large ? 3 : 4.5)) {
      const place = element.closest('[data-testid]')?.dataset.testid ?? element.tagName;
      const key = `${ratio.toFixed(2)}: ${style[svg ? 'fill' : 'color']} in ${place}`;
      if (!found.has(key)) found.set(key, text.slice(0, 60));
    }
  }
  return {count, low: [...found].map(([key, text]) => `${key}: “${text}”`)};
}"""


def low_contrast(page: Page) -> list[str]:
    """Texts with a contrast under 4.5 (large ones: 3) to what lies behind them (WCAG 1.4.3).

    Texts of the page and of the axes, legends and titles of its charts. There must be some.
    """
    found = page.evaluate(_LOW_CONTRAST)
    assert found["count"] > 20, "hardly a text on this page"
    return found["low"]


def brightness(part: Locator) -> float:
    """Median brightness of what a part of the page looks like: 0 black, 1 white."""
    part.scroll_into_view_if_needed()
    picture = Image.open(io.BytesIO(part.screenshot())).convert("L")
    return float(np.median(np.asarray(picture))) / 255


_TOO_WIDE = """() => {
  const width = window.innerWidth;
  const faults = [];
  const main = document.querySelector('[data-testid=stMain]');
  for (const scroller of [document.scrollingElement, main]) {
    if (scroller.scrollWidth > width) {
      faults.push(`${scroller.tagName} is ${scroller.scrollWidth} wide on a screen of ${width}`);
    }
  }
  const scrolls = element => {  // sideways, by a part of the page that can: a table, the tabs
    for (let e = element.parentElement; e && e !== main; e = e.parentElement) {
      const overflow = getComputedStyle(e).overflowX;
      if (['auto', 'scroll'].includes(overflow) && e.scrollWidth > e.clientWidth) return true;
    }
    return false;
  };
  const forReaders = element => {  // only for screen readers: inside a box of one pixel
    for (let e = element; e && e !== main; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (style.overflowX === 'hidden' && e.clientWidth <= 1) return true;
    }
    return false;
  };
  const name = element => {
    const text = element.ariaLabel || element.innerText || element.alt || '';
    return `${element.dataset.testid || element.tagName} “${text.trim().slice(0, 50)}”`;
  };
  const controls = 'button, a[href], input, select, textarea, summary, [role=tab], [role=slider], '
    + '[role=radio], [role=combobox], [role=switch], img, [data-testid=stVegaLiteChart], '
    + '[data-testid=stDataFrame], [data-testid=stMarkdownContainer]';
  for (const element of main.querySelectorAll(controls)) {
    const visible = element.checkVisibility({visibilityProperty: true, opacityProperty: true});
    const box = element.getBoundingClientRect();
    if (!visible || box.width < 2 || box.height < 2 || forReaders(element)) continue;
    if ((box.left < -1 || box.right > width + 1) && !scrolls(element)) {
      faults.push(`${name(element)} reaches from ${Math.round(box.left)} to `
        + `${Math.round(box.right)} on a screen of ${width}`);
    }
  }
  // Text cut off by its box, apart from lines that say so with an ellipsis.
  const texts = 'p, li, h1, h2, h3, h4, label, button, summary, td';
  for (const element of main.querySelectorAll(texts)) {
    const style = getComputedStyle(element);
    const cuts = ['hidden', 'clip'].includes(style.overflowX) && style.textOverflow !== 'ellipsis';
    if (cuts && element.clientWidth > 1 && element.scrollWidth > element.clientWidth + 1) {
      faults.push(`${name(element)} is cut off`);
    }
  }
  return faults;
}"""


def width_faults(page: Page) -> list[str]:
    """What makes the page scroll sideways, lies outside the screen, or is cut off."""
    return page.evaluate(_TOO_WIDE)


# --- what charts keep on a phone ------------------------------------------------------------------

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


# --- what the keyboard reaches --------------------------------------------------------------------


@dataclass(frozen=True)
class Stop:
    """Where Tab came to a halt: the role and name of the element, and whether that shows."""

    role: str
    name: str
    visible: bool


_FOCUSABLE = """() => {
  // The looks of everything that can have the focus, while nothing has it.
  window.__looks_of = element => {
    const parts = [element, ...[...element.querySelectorAll('*')].slice(0, 12)];
    for (let e = element.parentElement, i = 0; e && i < 6; e = e.parentElement, i++) parts.push(e);
    parts.push(...(element.labels ?? []), ...[...(element.parentElement?.children ?? [])]);
    return parts.map(part => ['', '::before', '::after'].map(pseudo => {
      const s = getComputedStyle(part, pseudo || null);
      return [s.outlineStyle === 'none' ? '' : s.outline, s.boxShadow, s.borderColor,
        s.backgroundColor, s.color, s.opacity, s.textDecorationLine].join(';');
    }).join('|')).join('\\n');
  };
  const all = 'a[href], button, input, select, textarea, summary, canvas, [tabindex]';
  window.__unfocused = new Map(
    [...document.querySelectorAll(all)].map(element => [element, window.__looks_of(element)]));
}"""

_FOCUS = """async () => {
  const element = document.activeElement;
  const same = window.__focused === element;
  window.__focused = element;
  const before = window.__unfocused.get(element);  // none: it appeared since, as a hint does
  const shows = () => window.__looks_of(element) !== before;
  const start = performance.now();
  // The frame around a table's cell is in its picture: nothing to wait for.
  while (!same && !element.closest('canvas') && !shows() && performance.now() - start < 1000) {
    await new Promise(requestAnimationFrame);
  }
  const name = element.ariaLabel || element.labels?.[0]?.innerText || element.innerText || '';
  const role = element.getAttribute('role') || element.type || element.tagName.toLowerCase();
  return {role, name: name.trim().split('\\n')[0].slice(0, 60), visible: shows(), same,
    body: element === document.body};
}"""


def focus_stops(page: Page, most: int = 250) -> list[Stop]:
    """Press Tab from the top of the page until the focus has left it; where it halted.

    A table takes one Tab for each column, because its cells are one element.

    Raises:
        AssertionError: Tab no longer moved the focus, or `most` presses did not leave the page.
    """
    page.add_style_tag(content="* {transition: none !important}")
    page.evaluate("document.activeElement.blur()")
    page.evaluate(_FOCUSABLE)
    page.get_by_test_id("stSkipToContent").focus()
    stops: list[Stop] = []
    here = 0
    for _ in range(most):
        page.keyboard.press("Tab")
        now = page.evaluate(_FOCUS)
        if now["body"]:
            return stops
        here = here + 1 if now["same"] else 0
        assert here < _MOST_COLUMNS, f"the keyboard is trapped in {stops[-1]}"
        if not now["same"]:
            stops.append(Stop(now["role"], now["name"], now["visible"]))
    raise AssertionError(f"{most} times Tab did not leave the page; the last: {stops[-5:]}")


_MOST_COLUMNS = 30
