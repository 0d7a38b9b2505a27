"""The vectors of a model as Parquet, for other programs: `python -m model.export FOLDER`.

`films.parquet` has a row per film: movie_id (as in the files), title, `met` (v_i) and `sent` (m_j).
`users.parquet` has a row per person: user_id and `vector` (f_u). The graph score of a person and a
film is the product of `vector` and `met`, as everywhere in the app (docs/scaling.md).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from data_preparation import MovieData
from model.profiles import DEFAULT_PROFILE, PROFILES, Profile
from model.store import served
from model.trained import TrainedModel
from model.viewers import user_vectors
from settings import checkpoint_path
from sources.atomic import replacing
from sources.download import add_dataset_option
from sources.movielens_files import DataError

_USERS_AT_ONCE = 20_000


def export_vectors(
    data: MovieData, model: TrainedModel, folder: Path, profile: Profile = DEFAULT_PROFILE
) -> tuple[Path, Path]:
    """Write both files, each whole or not at all; the films' and the users'.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    films, users = folder / "films.parquet", folder / "users.parquet"
    table = pa.table(
        {
            "movie_id": data.movie_ids,
            "title": pa.array(data.labels, pa.string()),
            "met": _vectors(model.movie_factors),
            "sent": _vectors(model.movie_messages),
        }
    )
    with replacing(films) as file:
        parquet.write_table(table, file)
    kind = pa.schema([("user_id", pa.int64()), ("vector", _kind(model.dim))])
    with replacing(users) as file, parquet.ParquetWriter(file, kind) as writer:
        for begin in range(0, data.n_users, _USERS_AT_ONCE):
            some = slice(begin, begin + _USERS_AT_ONCE)
            vectors = _vectors(user_vectors(data, model, some, profile))
            writer.write_table(pa.table([data.user_ids[some], vectors], schema=kind))
    return films, users


def _kind(dim: int) -> pa.DataType:
    return pa.list_(pa.float32(), dim)


def _vectors(rows: NDArray[np.float32]) -> pa.Array:
    """float32 [n, dim] → a column of vectors of equal length."""
    flat = pa.array(np.ascontiguousarray(rows, np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])


def main(arguments: list[str] | None = None) -> int:
    """Export the model in use; the exit status."""
    options = _parse(arguments)
    try:
        found = served(options.checkpoint, options.dataset)
        for sentence in found.said:
            print(sentence, file=sys.stderr)
        if found.model is None:
            return 1
        data = found.data
        files = export_vectors(data, found.model, options.folder, options.profile)
    except (DataError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        why = error.strerror or error
        print(f"The vectors cannot be written to {options.folder} ({why}).", file=sys.stderr)
        return 1
    print(f"{data.n_movies:,} films and {data.n_users:,} users, {found.model.dim} numbers each:")
    for path in files:
        print(path)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m model.export",
        description="Write the vectors of films and users as Parquet, with raw ids and titles.",
    )
    parser.add_argument("folder", type=Path, help="where films.parquet and users.parquet go")
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        default=DEFAULT_PROFILE,
        help="of the users' vectors (default: %(default)s)",
    )
    add_dataset_option(parser)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=checkpoint_path(),
        help="file of the model in use (default: %(default)s)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
