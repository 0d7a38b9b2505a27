"""One table from one text file; every fault is one sentence that names the line.

A quick look by Arrow reads what is beyond doubt. Where it finds anything else, a slow second look
by the `csv` module says what the file says, or names the first line that has a fault.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from sources.files import kind, note, reason

_ARROW = {"int64": pa.int64(), "float64": pa.float64(), "str": pa.string()}
_NUMBERS = {
    "int64": (r"[ \t]*[+-]?[0-9]{1,18}[ \t]*", "a whole number"),
    "float64": (r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?[ \t]*", "a number"),
}
_BLOCK = 2**23  # bytes that are parsed at a time: small ones leave Arrow's memory in pieces
_UNIT = "\x1f"  # stands for a separator of two signs, which Arrow does not know


class DataError(ValueError):
    """The files cannot be used; the message is one sentence to show to the user."""


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        separator: between fields.
        names: of the columns, where no header names them. Such files know no quotes, and are UTF-8
            or else Latin-1; those with a header are CSV in UTF-8.
    """

    separator: str = ","
    names: tuple[str, ...] = ()


CSV = Dialect()


def read_optional(path: Path, columns: dict[str, str], dialect: Dialect = CSV) -> pd.DataFrame:
    """As `read_table`; no rows where there is no such file."""
    if os.path.exists(path):  # and not Path.exists, which raises where it may not look
        return read_table(path, columns, dialect)
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def read_table(path: Path, columns: dict[str, str], dialect: Dialect = CSV) -> pd.DataFrame:
    """The named columns with their types ("int64", "float64" or "str").

    The index holds the line of each row in the file, the first line being 1.

    Raises:
        DataError: the file is missing, unreadable, empty or holds what the types do not allow.
    """
    try:
        other = kind(path)
        if other:  # opening a pipe would wait for a writer
            raise DataError(f"{path.name} is {other}; put the MovieLens file in its place.")
        return _Reader(path, columns, dialect).table()
    except DataError:
        raise
    except FileNotFoundError:
        note(f"{path} is missing")
        raise DataError(
            f"{path.name} is missing from the folder of the data; put the MovieLens files there."
        ) from None
    except csv.Error:
        raise DataError(
            f"{path.name} is not a readable CSV file; restore the original file."
        ) from None
    except UnicodeDecodeError:
        raise DataError(
            f"{path.name} is not UTF-8 text; save it as UTF-8 or restore the original file."
        ) from None
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {reason(error)}.") from None


class _Reader:
    def __init__(self, path: Path, columns: dict[str, str], dialect: Dialect) -> None:
        self.path, self.columns, self.dialect = path, columns, dialect
        self.encoding = _encoding(path) if dialect.names else "utf-8-sig"
        self.header = list(dialect.names) or self._header()
        self.first_line = 1 if dialect.names else 2

    def table(self) -> pd.DataFrame:
        found = self._quickly()
        return self._checked() if found is None else found

    def _header(self) -> list[str]:
        """The names in the first line, the needed ones among them."""
        with self.path.open(encoding=self.encoding, newline="") as file:
            header = next(csv.reader(file), [])
        if not header:
            raise DataError(f"{self.path.name} is empty; restore the original file.")
        missing = [name for name in self.columns if name not in header]
        if missing:
            raise DataError(
                f"{self.path.name} lacks the column {missing[0]!r}; its columns are "
                f"{', '.join(map(repr, header))}, and {', '.join(self.columns)} are needed."
            )
        twice = [name for name in self.columns if header.count(name) > 1]
        if twice:
            raise DataError(f"{self.path.name} has the column {twice[0]!r} twice; keep one.")
        return header

    def _quickly(self) -> pd.DataFrame | None:
        """The table as Arrow reads it, if that is beyond doubt."""
        try:
            table = self._by_arrow({name: _ARROW[kind] for name, kind in self.columns.items()})
        except (pa.ArrowInvalid, pa.ArrowKeyError):
            return None
        if table is None or not self._in_tens():
            return None
        texts = [name for name in self.columns if table.column(name).type == pa.string()]
        odd = (pc.match_substring_regex(table.column(name), "[\n\r\0]") for name in texts)
        if any(pc.any(found).as_py() for found in odd):  # rows are no lines, or parsers differ
            return None
        table = table.select(list(self.columns))
        frame = table.to_pandas(split_blocks=True, self_destruct=True)  # a column at a time
        if frame.select_dtypes("float").isna().any(axis=None):
            return None
        frame.index = pd.RangeIndex(self.first_line, self.first_line + len(frame))
        return frame

    def _by_arrow(self, types: dict[str, pa.DataType]) -> pa.Table | None:
        """All columns, those without a type as text; None where Arrow sees another header."""
        plain = bool(self.dialect.names)
        separator = self.dialect.separator
        # An open file: Arrow takes no path that is not text.
        with self._simple_text() if plain else self.path.open("rb") as file:
            table = arrow_csv.read_csv(
                file,
                arrow_csv.ReadOptions(
                    column_names=self.header if plain else None, block_size=_BLOCK
                ),
                arrow_csv.ParseOptions(
                    delimiter=separator if len(separator) == 1 else _UNIT,
                    quote_char=False if plain else '"',
                    ignore_empty_lines=False,
                ),
                arrow_csv.ConvertOptions(
                    column_types={name: types.get(name, pa.string()) for name in self.header},
                    null_values=[],
                    strings_can_be_null=False,
                ),
            )
        return table if table.column_names == self.header else None

    def _simple_text(self) -> io.BytesIO:
        """UTF-8 with a separator of one sign."""
        text = self.path.read_bytes()
        if self.encoding != "utf-8":
            text = text.decode(self.encoding).encode()
        if len(self.dialect.separator) > 1:
            text = text.replace(self.dialect.separator.encode(), _UNIT.encode())
        return io.BytesIO(text)

    def _in_tens(self) -> bool:
        """Whether no whole number is written as 0x10, which Arrow takes for 16."""
        if not _holds(self.path, (b"0x", b"0X")):
            return True
        table = self._by_arrow({})
        whole = [name for name, kind in self.columns.items() if kind == "int64"]
        return table is not None and not any(
            pc.any(pc.match_substring(table.column(name), "x", ignore_case=True)).as_py()
            for name in whole
        )

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row with the line that it ends in."""
        if self.dialect.names:
            with self.path.open(encoding=self.encoding) as file:
                for number, line in enumerate(file, 1):
                    text = line.removesuffix("\n")
                    yield number, text.split(self.dialect.separator) if text else []
            return
        with self.path.open(encoding=self.encoding, newline="") as file:
            reader = csv.reader(file)
            next(reader)
            for row in reader:
                yield reader.line_num, row

    def _checked(self) -> pd.DataFrame:
        """The table without its blank lines; a `DataError` names the first line with a fault."""
        width, rows = len(self.header), list(self._rows())
        for line, row in rows:
            if row and len(row) != width:
                raise DataError(
                    f"{self.path.name}, line {line}: it has {len(row)} fields where "
                    f"{'a line' if self.dialect.names else 'the header'} has {width}; "
                    "correct the line, or restore the original if the file was cut off."
                )
        full = [(line, row) for line, row in rows if any(row)]
        lines = [line for line, _ in full]
        text = pd.DataFrame([row for _, row in full], lines, columns=self.header, dtype=str)
        for column, kind_ in self.columns.items():
            if kind_ not in _NUMBERS:
                continue
            pattern, kind_name = _NUMBERS[kind_]
            bad = ~text[column].str.fullmatch(pattern)
            if bad.any():
                raise DataError(
                    f"{self.path.name}, line {first_line(bad)}: {text.loc[bad, column].iloc[0]!r} "
                    f"in the column {column} is not {kind_name}; correct the line or restore the "
                    "original file."
                )
        return text[list(self.columns)].astype(self.columns)


def first_line(fault: pd.Series) -> int:
    """The line in the file of the first True."""
    return int(fault.index[fault.to_numpy().argmax()])


def _holds(path: Path, pairs: tuple[bytes, ...]) -> bool:
    """Whether one of these pairs of bytes is in the file."""
    end = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if any(pair in block or pair in end + block[:1] for pair in pairs):
                return True
            end = block[-1:]
    return False


def _encoding(path: Path) -> str:
    """UTF-8, or Latin-1, in which any bytes are text."""
    try:
        path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"
