"""The reasons of a score in sentences, none of which claims more than its share."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.reasons import Line, named_places, relation, share_of_score
from charts.reasons import number
from data_preparation import MovieData
from model.explanation import Explanation
from model.trained import TrainedModel
from model.viewers import Viewer
from tabs.shared import count, escape

_WORTH_NAMING = 0.005  # a share below would read 0 %
_TOGETHER = {1: "it alone makes", 2: "these two make", 3: "these three make"}
_SAID = {
    "unlike": "disliked, and speaks for this film by being unlike it",
    "disliked": "disliked, and like this film",
    "pushes": "unlike this film",
}


def film_with_stars(data: MovieData, viewer: Viewer, place: int, plain: bool = False) -> str:
    """`*Heat (1995)* (4.5 ★)` for Markdown; without the asterisks if plain."""
    name = data.labels[viewer.movies[place]]
    return f"{name if plain else f'*{escape(name)}*'} ({stars_given(viewer, place)})"


def stars_given(viewer: Viewer, place: int) -> str:
    """`4.5 ★`, which no line break divides; and what the film's age cost it, if anything."""
    stars, lost = f"{viewer.stars[place]:g}\N{NO-BREAK SPACE}★", 1 - viewer.share_left[place]
    return f"{stars}, {percent(lost)} less for its age" if lost >= _WORTH_NAMING else stars


def because(data: MovieData, viewer: Viewer, reasons: Explanation, plain: bool = False) -> str:
    """The films that speak most for this one, with their share; and the tags that they share.

    As Markdown, or as plain text.
    """
    places = named_places(reasons)
    sentences = []
    if reasons.self_term:
        sentences.append(_own_part(reasons))
    if places:
        films = []
        for place in places:
            name = film_with_stars(data, viewer, place, plain)
            if relation(reasons.weights[place], reasons.contributions[place]) == "unlike":
                name += ", which was disliked and is unlike it"
            films.append(name)
        sentences.append(f"Because of {_joined(films)}: {_share(reasons, places)}.")
    else:
        sentences.append("No single rated film speaks for it.")
    if reasons.tags:
        tags = ", ".join(tag if plain else escape(tag) for tag, _ in reasons.tags[:3])
        sentences.append(f"Shared: {tags}.")
    return " ".join(sentences)


def _own_part(reasons: Explanation) -> str:
    whole = reasons.graph_score
    if whole <= 0 or not 0 < reasons.self_term <= whole:
        added = number(reasons.self_term, 4)
        return f"What was learned about this person as such adds {added}; no film explains that."
    return (
        f"{percent(reasons.self_term / whole)} of the graph score was learned about this person as "
        "such; no film explains that part."
    )


def _share(reasons: Explanation, places: Sequence[int]) -> str:
    share = share_of_score(reasons, places)
    if share is None:
        return (
            f"the graph score is {number(reasons.graph_score, 4)} even so, because more speaks "
            "against it"
        )
    if share > 1:
        return (
            f"{_TOGETHER[len(places)]} up more than the whole graph score ({percent(share)}), for "
            "other things take some of it away"
        )
    return f"{_TOGETHER[len(places)]} up {percent(share)} of the graph score"


def percent(share: float) -> str:
    """`33 %`"""
    return f"{100 * share:.0f} %"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def line_name(data: MovieData, viewer: Viewer, reasons: Explanation, line: Line) -> str:
    """What a line of the score is called; plain text."""
    if line.kind == "own":
        share = share_of_own(reasons)
        return f"learned about this person as such, by no film{share}"
    if line.kind == "film":
        film = f"{data.labels[viewer.movies[line.place]]}, {stars_given(viewer, line.place)}"
        said = _SAID.get(
            relation(reasons.weights[line.place], reasons.contributions[line.place]), ""
        )
        return f"{film}: {said}" if said else film
    speak = "speaks" if line.films == 1 else "speak"
    return f"{count(line.films, 'more rated film')} that {speak} {line.kind} it"


def share_of_own(reasons: Explanation) -> str:
    """` (44 % of the score)`, or nothing where a share says nothing."""
    whole = reasons.graph_score
    return f" ({percent(reasons.self_term / whole)} of the score)" if whole > 0 else ""


_ATTENDED = (
    " The attention that this model learned is in the weight, too; the table below says by how "
    "much it multiplied it."
)


def about_terms(model: TrainedModel, reasons: Explanation) -> str:
    """What the bars are, and how a term comes about."""
    score = number(reasons.graph_score, 4)
    idle = int((reasons.contributions == 0).sum())
    left_out = (
        f" {count(idle, 'rated film')} {'counts' if idle == 1 else 'count'} for nothing here."
        if idle
        else ""
    )
    if model.is_hybrid:
        return (
            f"These lines add up to the graph score **{score}** exactly, with nothing left over: "
            "each rated film adds its weight times how alike the two films are to the graph. The "
            "weight follows the stars, compared with this person's own level; what was rated "
            f"clearly below it never speaks in favour.{_ATTENDED if model.attention else ''}"
            f"{left_out} It explains the score, not the person."
        )
    return (
        f"These lines add up to the graph score **{score}** exactly, because LightGCN is linear: "
        "a film adds its weight 1/√(own ratings × the film's ratings) times how alike the two "
        "films are to the graph. This model does not look at the stars, so a disliked film pulls "
        f"as a liked one does.{left_out} It explains the score, not the person."
    )
