"""Several processes that train one model: each holds some of the people, all hold every film.

What is summed over people (the films' degrees, every product with YᵀY, the gradient) is summed
here, by one all-reduce whose size is that of the films. A single process is the case of one:
nothing is sent, and every method gives back what it was given.

`torchrun --nproc-per-node N model_training.py` starts N of them; they talk over gloo, or over NCCL
where each has a graphics card.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar, overload

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, distributed

from data_preparation import MovieData

_Number = TypeVar("_Number", bound=np.generic)
_Value = TypeVar("_Value")
_PATIENCE = timedelta(minutes=30)  # one process may save or measure so long while others wait


class LostProcessError(RuntimeError):
    """Another process of the training ended; the message is one sentence to show to the user."""

    def __init__(self) -> None:
        super().__init__(
            "Another process of this training ended or cannot be reached, so it ends here; what was"
            " reached last is kept, and --resume goes on from there with any number of processes."
        )


class Processes:
    """This process among those that train together.

    Attributes:
        rank: its number, from 0; the first one prints, saves and promotes.
        size: how many there are.
        device: where it multiplies (`model.devices`), and where its messages lie.
        bytes_given: handed to all-reduces so far; a ring sends 2(N − 1)/N of it.
    """

    def __init__(self, rank: int = 0, size: int = 1, device: str = "cpu") -> None:
        self.rank, self.size, self.device, self.bytes_given = rank, size, device, 0

    @property
    def first(self) -> bool:
        return self.rank == 0

    @overload
    def total(self, part: Tensor) -> Tensor: ...
    @overload
    def total(self, part: NDArray[_Number]) -> NDArray[_Number]: ...
    def total(self, part: Any) -> Any:
        """The sum of everybody's arrays, or tensors on `device`, of the same shape and type."""
        return part if self.size == 1 else self._reduced(part, distributed.ReduceOp.SUM)

    @overload
    def any(self, part: Tensor) -> Tensor: ...
    @overload
    def any(self, part: NDArray[np.bool_]) -> NDArray[np.bool_]: ...
    def any(self, part: Any) -> Any:
        """Where anybody's is true, bool, of the same shape for all; arrays or tensors as above."""
        if self.size == 1:
            return part
        sent = part.to(torch.uint8) if isinstance(part, Tensor) else part.astype(np.uint8)
        return self._reduced(sent, distributed.ReduceOp.MAX) > 0

    def total_of(self, number: float) -> float:
        """The sum of everybody's number."""
        return float(self.total(np.array([number], np.float64))[0])

    def joined(self, rows: NDArray[_Number]) -> NDArray[_Number]:
        """Everybody's rows below each other, in the order of the ranks."""
        return rows if self.size == 1 else np.concatenate(self.everybodys(rows))

    def everybodys(self, value: _Value) -> list[_Value]:
        """What everybody has, by rank."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        with _as_lost():
            distributed.all_gather_object(found, value)
        return found

    def of_first(self, value: _Value) -> _Value:
        """What the first process has."""
        if self.size == 1:
            return value
        box: list[Any] = [value]
        with _as_lost():
            distributed.broadcast_object_list(box, src=0)
        return box[0]

    def first_to_notice(self) -> bool:
        """Of a fault: whether this process is the first to ask, so that only one speaks of it."""
        try:
            return distributed.distributed_c10d._get_default_store().add("lost", 1) == 1
        except (RuntimeError, ValueError):  # the store went with the lost process
            return True

    def _reduced(self, part: Any, operation: Any) -> Any:
        """As arrays come, so they go; messages lie on the device, which is all that NCCL sends."""
        if not isinstance(part, Tensor):
            there = torch.from_numpy(np.ascontiguousarray(part)).to(self.device)
            return self._reduced(there, operation).cpu().numpy()
        message = part.clone(memory_format=torch.contiguous_format)
        self.bytes_given += message.numel() * message.element_size()
        with _as_lost():
            distributed.all_reduce(message, operation)
        return message


ALONE = Processes()


@contextmanager
def joined_processes(device: str = "cpu") -> Iterator[Processes]:
    """Those that torchrun started together with this one; alone without torchrun.

    Args:
        device: of this process, as `model.devices.chosen_device` finds it.
    """
    if not distributed.is_available() or not distributed.is_torchelastic_launched():
        yield ALONE if device == "cpu" else Processes(device=device)
        return
    backend, card = "gloo", None
    if device != "cpu":
        backend, card = "nccl", torch.device(device)
        torch.cuda.set_device(card)  # where torch puts the messages that are objects
    distributed.init_process_group(backend, timeout=_PATIENCE, device_id=card)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        distributed.destroy_process_group()


@contextmanager
def _as_lost() -> Iterator[None]:
    """A fault of the connection as the sentence that it means."""
    try:
        yield
    except RuntimeError as error:
        raise LostProcessError from error


def people_of(data: MovieData, people: slice) -> MovieData:
    """The data with the ratings of these people alone, by inner id; films, tags and fingerprint
    stay those of all."""
    ratings = data.ratings
    stored = slice(ratings.indptr[people.start], ratings.indptr[people.stop])
    own = sparse.csr_array(ratings[people])
    for part in (own.data, own.indices, own.indptr):
        part.flags.writeable = False
    return replace(
        data,
        ratings=own,
        timestamps=data.timestamps[stored].copy(),
        user_ids=data.user_ids[people].copy(),
    )


def shared(data: MovieData, processes: Processes) -> MovieData:
    """The data with the people of this process alone.

    Raises:
        ValueError: the processes have different data, so that somebody would be held by none.
    """
    if processes.size == 1:
        return data
    if len(set(processes.everybodys(data.fingerprint))) > 1:
        raise ValueError(
            "The processes read different data, so some users would be held by none of them; give "
            "all of them the same files."
        )
    own = share_of(data.user_degree, processes)
    check_everybody(data.user_ids, processes.everybodys((own.start, own.stop)))
    return people_of(data, own)


def check_everybody(user_ids: NDArray[np.int64], shares: list[tuple[int, int]]) -> None:
    """Raises ValueError where a user is in none of these shares (from, to), or in two."""
    reached = 0
    for begin, end in [*shares, (len(user_ids), len(user_ids))]:
        if begin != reached:
            what = "by two processes" if begin < reached else "by no process"
            raise ValueError(f"User {user_ids[min(begin, reached)]} of the data is held {what}.")
        reached = end


def share_of(counts: NDArray[np.integer], processes: Processes) -> slice:
    """The people of this process: consecutive ones, with about as many ratings for everybody.

    Args:
        counts: ratings of each person, int [n_users].
    """
    ends = np.cumsum(counts, dtype=np.int64)
    every = int(ends[-1]) if len(ends) else 0
    cuts = [every * rank / processes.size for rank in (processes.rank, processes.rank + 1)]
    begin, end = np.searchsorted(ends, cuts, side="left").tolist()
    last = processes.rank == processes.size - 1
    return slice(begin if processes.rank else 0, len(counts) if last else end)
