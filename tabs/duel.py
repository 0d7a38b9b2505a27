"""Model duel: one person's lists by LightGCN, EASE, ItemKNN and popularity, side by side."""

from __future__ import annotations

import streamlit as st

from analysis.duel import METRICS, OURS, Duel, user_duel, viewer_duel
from charts.duel import duel_lists
from data_preparation import MovieData
from model.evaluation import sampled_users
from model.memory import in_words
from model.profiles import Profile
from model.splits import Split
from model.trained import TrainedModel
from model.viewers import fold_in
from serving.duels import DuelPreparation, duel_board, estimated_bytes
from tabs.links import DUEL, TABS, WHO
from tabs.shared import count, escape, my_stars, no_model_yet, pick_profile, pick_user

_LENGTHS = (5, 10, 20)
_ASK_FROM = 2**30  # bytes: what takes more is not begun without being asked for


def duel_button() -> None:
    """From Recommendations to the duel; the same person stays chosen."""
    st.button(
        "Compare with other models",
        icon=":material/compare_arrows:",
        key="open_duel",
        help="This person's list beside those of EASE, ItemKNN and popularity.",
        on_click=_open,
        args=(TABS[3], "section", DUEL),
    )


def _open(tab: str, name: str, value: str) -> None:
    """Another tab, with one of its widgets on this value."""
    st.session_state["tab"] = tab
    st.session_state[name] = value


def render(data: MovieData, model: TrainedModel | None) -> None:
    if model is None:
        no_model_yet("The lists of several models", data)
        return
    st.subheader("Four models, one person")
    preparation = _prepared(data, model)
    if preparation is None:
        return
    with st.container(horizontal=True):
        who = st.segmented_control(
            "For whom", WHO, default=WHO[0], required=True, key="who", bind="query-params"
        )
        k = st.segmented_control(
            "Films in each list", _LENGTHS, default=10, required=True, key="duel_k"
        )
        profile = pick_profile(model)
    duel = (
        _visitor(data, model, preparation, k, profile)
        if who == WHO[1]
        else _user(data, model, preparation, k, profile)
    )
    if duel is None:
        return
    st.markdown(agreement(duel))
    st.html(duel_lists(data, duel))
    aim = ", for what is chosen under *Find*" if model.is_hybrid else ""
    st.caption(
        "Blue: in several lists, the stronger the more; orange: in this one alone. ▲ and ▼: so "
        f"many places higher or lower than in {OURS}’s list; without them, the rank that {OURS} "
        f"gives a film further down. {OURS} ranks by its graph score here, without the weight of "
        f"tags and genres{aim}. EASE and ItemKNN know which films were rated, not with how many "
        "stars, so they have one list for all aims."
    )


# --- fitting --------------------------------------------------------------------------------------


def _prepared(data: MovieData, model: TrainedModel) -> DuelPreparation | None:
    """The fitted models; None while the page waits for them, and says so."""
    board = duel_board()
    found = board.find(data, model)
    if found and found.status == "finished":
        return found
    needed = estimated_bytes(data)
    cost = (
        "The other models are fitted once for these data, in the background; that takes at most "
        f"about {in_words(needed)} of memory, an estimate."
    )
    if found and found.status == "failed":
        st.warning(escape(found.problem or "The other models could not be fitted."))
        st.button("Try again", on_click=_begin, args=(data, model))
        return None
    if found is None and needed > _ASK_FROM and not board.fitted(data, model):
        st.info(cost, icon=":material/memory:")
        st.button("Fit the other models", on_click=_begin, args=(data, model))
        return None
    preparation = found or board.prepare(data, model)
    st.caption(cost)

    @st.fragment(run_every=0.5)
    def progress() -> None:
        if preparation.status != "running":
            st.rerun()
        st.progress(preparation.share_done, f"{preparation.doing} …")

    progress()
    return None


def _begin(data: MovieData, model: TrainedModel) -> None:
    duel_board().prepare(data, model)


# --- whom for -------------------------------------------------------------------------------------


def _user(
    data: MovieData, model: TrainedModel, preparation: DuelPreparation, k: int, profile: Profile
) -> Duel | None:
    user = pick_user(data)
    rivals = preparation.rivals
    assert rivals is not None
    duel = user_duel(model, preparation.ours.get(profile), rivals, user, k, profile)
    hidden = count(duel.held_out, "held-out film")
    st.caption(
        f"**Fitted on train only:** none of these models has seen the {hidden} of user "
        f"{data.user_ids[user]} (test part of {escape(model.protocol)}), marked ✓ where found. "
        + _scores_in_words(rivals.split)
    )
    _say_left_out((*rivals.left_out, *filter(None, [preparation.ours_problem])))
    return duel


def _visitor(
    data: MovieData, model: TrainedModel, preparation: DuelPreparation, k: int, profile: Profile
) -> Duel | None:
    stars, rivals = my_stars(data), preparation.rivals
    assert rivals is not None
    if not stars:
        st.info(
            "Rate a film or two in the tab Recommendations, and the lists of all models appear "
            "here.",
            icon=":material/star:",
        )
        st.button("Rate films", on_click=_open, args=(TABS[1], "who", WHO[1]))
        return None
    st.caption(
        f"**The models that serve**, fitted to all ratings of the data, for your "
        f"{count(len(stars), 'rating')}. " + _scores_in_words(rivals.split)
    )
    _say_left_out(rivals.left_out)
    return viewer_duel(data, model, fold_in(data, model, stars, profile), rivals, k)


def _scores_in_words(split: Split) -> str:
    drawn = sampled_users(split)
    whose = f"all users' {split.test.nnz:,} test ratings"
    if drawn is not None:
        whose = f"the test ratings of {drawn:,} users drawn at random"
    return (
        f"One person says little of which model is better; {METRICS[0]} above each list does: it "
        f"is measured on {whose}, by the models fitted on train only."
    )


def _say_left_out(sentences: tuple[str, ...]) -> None:
    for sentence in sentences:
        st.info(escape(sentence), icon=":material/memory_alt:")


def agreement(duel: Duel) -> str:
    """What the lists have in common, in the numbers of the lists, as Markdown."""
    n = len(duel.listings)
    parts = []
    if n > 1:
        is_or_are = "is" if duel.in_all == 1 else "are"
        parts.append(f"**{count(duel.in_all, 'film')}** {is_or_are} in all {n} lists")
    ours = duel.listing(OURS)
    if ours and n > 1:
        mine = frozenset(ours.movies)
        shared = [
            f"{len(mine & frozenset(other.movies))} with {other.name}"
            for other in duel.listings
            if other is not ours
        ]
        alone = sum(place.lists == 1 for place in ours.places)
        parts.append(f"{OURS} shares {_joined(shared)}, and has **{alone}** to itself")
    text = "; ".join(parts) + "." if parts else ""
    if duel.held_out:
        first, *others = duel.listings
        found = _joined(
            [
                f"{first.name} found {first.found}",
                *(f"{each.name} {each.found}" for each in others),
            ]
        )
        text += f" Of {count(duel.held_out, 'held-out film')}, {found}."
    return text.strip()


def _joined(parts: list[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
