"""A model card (Mitchell et al. 2019) from a checkpoint: `python -m analysis.model_card`.

What it was made from and under which terms, its settings, how good it is with intervals, whom it
serves badly, and what it must not be used for. Every figure is the checkpoint's own or measured
here, on the ratings that the model's protocol held out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.model_health import UserQuality, by_group, exposure, gini, user_quality
from data_preparation import MovieData
from model.checkpoints import CheckpointError, read_header
from model.runs import OURS, POPULARITY
from model.store import served
from model.trained import TrainedModel, kept_epoch
from settings import DEMO_DIR, checkpoint_path
from sources.download import add_dataset_option
from sources.movielens_files import DataError

_SHOWN = ("Hit", "Recall", "NDCG", "liked ")  # metrics that begin so, at 10 and 20
_Z = 1.96  # half a 95 % interval in standard errors
_GROUPS = {
    "ratings": ("By number of known ratings", "{:,.0f} to {:,.0f} ratings"),
    "mainstream": (
        "By taste: mean log10 of the ratings of the films that they rated",
        "{:.2f} to {:.2f}",
    ),
}
_TERMS = {
    True: "Real films, simulated viewers, made by this project (MIT). Good for a tour, not for a "
    "recommendation to trust.",
    False: "If these are MovieLens files: research use; no commercial or revenue-bearing use "
    "without permission of GroupLens, no endorsement implied, redistribution only under the same "
    "terms. Cite F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History "
    "and Context. ACM TiiS 5, 4, Article 19. <https://doi.org/10.1145/2827872>",
}
_MISUSE = """\
- Decisions about people: who gets a job, a loan, a home, a price, a place at a school.
- Guesses at what the data do not say of a person: age, sex, health, origin, faith, opinion.
- Telling how good a film is: it ranks what people like these would watch or rate high.
- Commercial use of a model that was fitted to MovieLens, without permission of GroupLens.
- Other data than these: it knows no film and no person beyond them, and refuses other files.
- People under age without someone who looks at the list: nothing keeps unsuitable films out of it.
"""


def model_card(data: MovieData, model: TrainedModel, saved_at: str | None) -> str:
    """The card as Markdown.

    Args:
        saved_at: when the checkpoint was written, UTC.
    """
    return (
        "\n\n".join(
            [
                "# Model card",
                _about(model, saved_at),
                _data(data),
                _settings(model),
                _metrics(model),
                _groups(data, model),
                _films(data, model),
                f"## What it must not be used for\n\n{_MISUSE}".strip(),
            ]
        )
        + "\n"
    )


def _about(model: TrainedModel, saved_at: str | None) -> str:
    kind = (
        "A fitted hybrid: people, films and what films have in common in one linear graph; a score "
        "is a sum over the rated films."
        if model.is_hybrid
        else "LightGCN as published (He et al. 2020): a learned vector for every person and film."
    )
    fitted = "all ratings, after it was measured" if model.refitted else "the training part alone"
    rows = [
        ["kind", model.config.model],
        ["numbers per film", f"{model.dim:,}"],
        ["kept", kept_epoch(model)],
        ["serves what was fitted to", fitted],
        ["end of the training", model.stop_reason],
        ["saved", saved_at or "not known"],
        ["of data and model", f"`{model.fingerprint[:16]}`"],
    ]
    return f"## The model\n\n{kind}\n\n{_table(['', ''], rows)}"


def _data(data: MovieData) -> str:
    stars = data.ratings.data
    years = pd.to_datetime(data.timestamps, unit="s")
    rows = [
        ["folder", data.directory.name],
        ["people", f"{data.n_users:,}"],
        ["films", f"{data.n_movies:,}, {int((data.movie_degree > 0).sum()):,} of them rated"],
        ["ratings", f"{data.n_ratings:,}, mean {stars.mean(dtype=np.float64):.2f} stars"],
        ["given", f"{years.min():%Y-%m-%d} to {years.max():%Y-%m-%d}"],
        ["ratings of a person", f"{data.user_degree.min():,} to {data.user_degree.max():,}"],
        ["tags", f"{len(data.tag_names):,} kept"],
        ["SHA-256", f"`{data.fingerprint}`"],
    ]
    terms = _TERMS[data.directory.resolve() == DEMO_DIR]
    return f"## The data and their terms\n\n{_table(['', ''], rows)}\n\n{terms}"


def _settings(model: TrainedModel) -> str:
    rows = [[name, str(value)] for name, value in asdict(model.config).items()]
    return f"## Settings\n\n{_table(['setting', 'value'], rows)}"


def _metrics(model: TrainedModel) -> str:
    rows = []
    for name, value in model.test_metrics.items():
        if name.startswith(_SHOWN) and name.endswith(("@10", "@20")):
            ends = model.test_intervals.get(name)
            between = f"{ends[0]:.4f} to {ends[1]:.4f}" if ends else ""
            watch = model.watch_metrics.get(name)
            rows.append([name, f"{value:.4f}", between, "" if watch is None else f"{watch:.4f}"])
    headers = ["metric", "*like*, which serves" if model.is_hybrid else "value"]
    headers += ["95 % interval", "*watch*"]
    return (
        f"## How good it is\n\nOn held-out test ratings ({model.protocol}), ranked over all rated "
        f"films; the interval is over people.\n\n{_table(headers, rows)}"
    )


def _groups(data: MovieData, model: TrainedModel) -> str:
    title = "## Whom it serves badly"
    try:
        quality = user_quality(data, model)
    except ValueError as error:
        return f"{title}\n\nNot measured: {error}"
    parts = [title, "NDCG@20 on the held-out ratings of five groups of equal size."]
    for column, (heading, pattern) in _GROUPS.items():
        parts += [f"### {heading}", _group_table(quality, column, pattern)]
    return "\n\n".join([*parts, *_worst(quality)])


def _group_table(quality: UserQuality, column: str, pattern: str) -> str:
    groups = by_group(quality, column)
    baseline = groups[groups["scorer"] == POPULARITY].set_index("group")["ndcg"]
    rows = []
    for row in groups[groups["scorer"] == OURS].itertuples():
        rows.append(
            [
                pattern.format(row.low, row.high),
                f"{row.users:,}",
                f"{row.ndcg:.4f}",
                "" if np.isnan(row.error) else f"± {_Z * row.error:.4f}",
                f"{baseline[row.group]:.4f}",
            ]
        )
    return _table(["group", "people", "this model", "95 %", "popularity alone"], rows)


def _worst(quality: UserQuality) -> list[str]:
    """What the tables show, in sentences of their own numbers."""
    found = []
    for column, (_, pattern) in _GROUPS.items():
        groups = by_group(quality, column)
        ours = groups[groups["scorer"] == OURS].set_index("group")
        worst, best = ours["ndcg"].idxmin(), ours["ndcg"].idxmax()
        group = ours.loc[worst]
        found.append(
            f"Least well served by {column}: {pattern.format(group['low'], group['high'])}, with "
            f"{group['ndcg']:.4f} against {ours.loc[best, 'ndcg']:.4f} of the best group."
        )
    nothing = quality.per_user["model"] == 0
    found.append(
        f"{nothing.mean():.0%} of the people measured find none of their held-out films among the "
        "first 20."
    )
    return found


def _films(data: MovieData, model: TrainedModel) -> str:
    found = exposure(data, model)
    never = float((found.shown == 0).mean())
    unrated = int((data.movie_degree == 0).sum())
    drawn = f" of {found.users:,} people drawn" * (found.users < data.n_users)
    return (
        "## Which films it leaves out\n\n"
        f"Of the rated films, {never:.0%} are in nobody's first {found.k}{drawn}; the Gini "
        f"coefficient of how often films are listed is {gini(found.shown):.2f}, that of their "
        f"ratings {gini(found.ratings):.2f} (0: all alike, 1: one film has all). {unrated:,} films "
        "without ratings are listed for their tags and genres alone."
    )


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in lines
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the card of the model in use; the exit status."""
    parser = argparse.ArgumentParser(prog="analysis.model_card", description="Write a model card.")
    add_dataset_option(parser)
    parser.add_argument(
        "--checkpoint", type=Path, default=checkpoint_path(), help="default: %(default)s"
    )
    parser.add_argument("--output", type=Path, help="a file to write; without it, it is printed")
    options = parser.parse_args(arguments)
    try:
        found = served(options.checkpoint, options.dataset)
        for sentence in found.said:
            print(sentence, file=sys.stderr)
        if found.model is None:
            return 1
        saved_at = read_header(found.path).saved_at if found.path else None
        card = model_card(found.data, found.model, saved_at)
        if options.output:
            options.output.write_text(card, encoding="utf-8")
        else:
            print(card, end="")
    except (DataError, CheckpointError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
