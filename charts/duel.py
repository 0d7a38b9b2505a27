"""The lists of a duel side by side, as plain HTML for `st.html`; two by two on a phone."""

from __future__ import annotations

from html import escape

from analysis.duel import OURS, Duel, Listing, Place
from charts.basics import BLUE, GREEN, ORANGE, label
from data_preparation import MovieData


def duel_lists(data: MovieData, duel: Duel) -> str:
    """Every list with its scores; films marked by how many lists have them and who found them."""
    n = len(duel.listings)
    longest = max((len(listing.places) for listing in duel.listings), default=0)
    return (
        f"<style>{_CSS}</style><div class='frame'>"
        f"<div class='duel' style='--n:{n};--rows:{longest + 1}'>"
        + "".join(_list(data, listing, duel) for listing in duel.listings)
        + "</div></div>"
    )


def _list(data: MovieData, listing: Listing, duel: Duel) -> str:
    name = escape(listing.name[:1].upper() + listing.name[1:])
    scores = "".join(
        f"<small>{escape(metric)} <b>{value:.4f}</b>{_between(listing, metric)}</small>"
        for metric, value in listing.test.items()
    )
    setting = f"<small>{escape(listing.setting)}</small>" if listing.setting else ""
    found = (
        f"<small>found <b>{listing.found}</b> of {duel.held_out} held out</small>"
        if duel.held_out
        else ""
    )
    films = "".join(
        _film(data, listing, place, rank, len(duel.listings))
        for rank, place in enumerate(listing.places, 1)
    )
    about = f"<strong>{name}</strong>{scores}{found}{setting}"
    return f"<section aria-label='{name}'><header>{about}</header><ol>{films}</ol></section>"


def _between(listing: Listing, metric: str) -> str:
    ends = listing.intervals.get(metric)
    return f" <span>({ends[0]:.3f}–{ends[1]:.3f})</span>" if ends else ""


def _film(data: MovieData, listing: Listing, place: Place, rank: int, n: int) -> str:
    kind, shared = in_lists(place.lists, n)
    notes = [shared]
    if listing.name != OURS and place.ours is not None:
        notes.append(f"{OURS}: {place.ours:,}{_move(place.ours, rank, len(listing.places))}")
    if place.held_out:
        notes.append(f"<i>✓ held out, {place.held_out:g} ★</i>")
    return (
        f"<li class='{kind}'><span>{rank}. {escape(label(data, place.movie))}</span>"
        f"<small>{' · '.join(notes)}</small></li>"
    )


def in_lists(lists: int, n: int) -> tuple[str, str]:
    """How a film that is in so many of n lists is marked: a class, and words."""
    if n > 1 and lists == n:
        return "all", f"in all {n}"
    if lists > 1:
        return "some", f"in {lists} of {n}"
    return "alone", "only here"


def _move(ours: int, rank: int, length: int) -> str:
    """Places higher or lower than in LightGCN's list, where the film is in both."""
    if ours > length:
        return ""
    if ours == rank:
        return " ="
    return f" ▲{ours - rank:,}" if ours > rank else f" ▼{rank - ours:,}"


_CSS = f"""
.frame{{container-type:inline-size}}
.duel{{display:grid;grid-template-columns:repeat(var(--n),minmax(0,1fr));gap:.35rem .9rem;
font-size:.85rem;line-height:1.35;overflow-wrap:anywhere}}
.duel section{{display:grid;grid-template-rows:subgrid;grid-row:span var(--rows);min-width:0}}
.duel header{{display:flex;flex-direction:column;padding-bottom:.2rem}}
.duel header strong{{font-size:1.05rem}}
.duel header span{{white-space:nowrap}}
.duel small{{font-size:.78rem;opacity:.85}}
.duel ol{{display:contents}}
.duel li{{list-style:none;margin:0;padding:.3rem .5rem;border-left:4px solid;border-radius:3px;
display:flex;flex-direction:column;justify-content:space-between;gap:.1rem}}
.duel li.all{{border-color:{BLUE};background:color-mix(in srgb,{BLUE} 20%,transparent)}}
.duel li.some{{border-color:{BLUE};background:color-mix(in srgb,{BLUE} 7%,transparent)}}
.duel li.alone{{border-color:{ORANGE};background:color-mix(in srgb,{ORANGE} 14%,transparent)}}
.duel li i{{font-style:normal;font-weight:600;white-space:nowrap;padding:0 .3rem;
border-radius:.6rem;background:color-mix(in srgb,{GREEN} 30%,transparent)}}
@container (max-width:760px){{
.duel{{grid-template-columns:repeat(2,minmax(0,1fr));gap:.35rem .6rem}}
.duel section:nth-child(n+3) header{{padding-top:1rem}}
.duel header span{{display:none}}}}
"""
