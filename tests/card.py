"""A pretended graphics card, for machines without one: it refuses what a card refuses.

A tensor on the card says so (`tensor.device`), holds real numbers, and cannot be mixed with one of
the processor: an operation on both fails, and so does NumPy on one of the card. Stricter than CUDA
in one thing, an index on the processor into a tensor of the card, which CUDA copies on its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.optim import optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

# torch's name for a device without memory: nothing else here uses it, and its rules are strict.
CARD = "meta"

_ATEN = torch.ops.aten
_MOVES = (_ATEN._to_copy.default, _ATEN.copy_.default)
_SENT_BY_NCCL = (torch.uint8, torch.int8, torch.int32, torch.int64, torch.float32, torch.float64)


class OnCard(Tensor):
    """A tensor of the processor, `inner`, that says it lies on the card."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> OnCard:
        strided = inner.layout == torch.strided
        made: OnCard = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.size(),
            strides=inner.stride() if strided else None,
            dtype=inner.dtype,
            device=CARD,
            dispatch_layout=not strided,
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Card(TorchDispatchMode):
    """Sees what is made on the card from nothing, or moved there."""

    def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


@contextmanager
def pretended_card() -> Iterator[None]:
    """Within the block `CARD` is a device."""
    fused = optimizer._get_fused_kernels_supported_devices()
    with (
        mock.patch.object(
            optimizer, "_get_fused_kernels_supported_devices", lambda: [*fused, CARD]
        ),
        _Card(),
    ):
        yield


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    if func is torch.ops.prim.layout.default:
        return args[0].inner.layout
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [tensor for tensor in given if isinstance(tensor, OnCard)]
    here = [tensor for tensor in given if not isinstance(tensor, OnCard) and tensor.ndim]
    asked = kwargs.get("device")
    on_card = bool(there) if asked is None else torch.device(asked).type == CARD
    if func not in _MOVES and ((there and here) or (given and on_card and not there)):
        raise RuntimeError(f"{func} has tensors on two devices.")
    if on_card and kwargs.get("generator") is not None:
        raise RuntimeError(f"{func} has a generator of the processor.")
    if func is torch.ops.c10d.allreduce_.default:
        assert there and not here, "NCCL sends what lies on a card."
        assert all(tensor.dtype in _SENT_BY_NCCL and tensor.is_contiguous() for tensor in there)
    if asked is not None:
        kwargs = kwargs | {"device": "cpu"}
    if func is _ATEN._to_copy.default and on_card != bool(there):
        kwargs = kwargs | {"device": None}
        found = func(*tree_map(_inner, args), **kwargs).clone()  # of its own, as on another device
    else:
        found = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    if func is _ATEN.copy_.default:
        on_card = isinstance(args[0], OnCard)
    same = {id(tensor.inner): tensor for tensor in there}  # what is changed in place stays itself

    def wrapped(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        return same[id(leaf)] if id(leaf) in same else OnCard(leaf)

    return tree_map(wrapped, found) if on_card else found


def _inner(leaf: Any) -> Any:
    return leaf.inner if isinstance(leaf, OnCard) else leaf
