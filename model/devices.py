"""Where fit, BPR and measurement compute: processor or graphics card.

What is kept comes back to the processor, and random numbers are drawn there: neither a checkpoint
nor the progress of a training knows where it was made, and a seed means the same everywhere.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float32]
DEVICES = ("auto", "cpu", "cuda")
_NO_MPS = "Apple's graphics (MPS) has no sparse products in torch, so the processor does all of it."


def chosen_device(wanted: str) -> tuple[str, str | None]:
    """The device of this process, "cpu" or "cuda:0" …, and a sentence where it is another one than
    could be expected. Under torchrun every process of a machine takes a card of its own.

    Args:
        wanted: one of `DEVICES`; "auto" takes a card where there is one for each process.

    Raises:
        ValueError: cards are wanted that torch cannot use, or that are too few; one sentence.
    """
    if wanted == "cpu":
        return "cpu", None
    if not torch.cuda.is_available():
        if wanted == "cuda":
            raise ValueError(
                "torch finds no graphics card that it can use; install a build of torch for CUDA, "
                "or take --device cpu."
            )
        return "cpu", _NO_MPS if torch.backends.mps.is_available() else None
    here, cards = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if here <= cards:
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}", None
    if wanted == "cuda":
        raise ValueError(
            f"{here} processes of this machine would share {cards} graphics cards, and each takes "
            "one of its own; start fewer, or take --device cpu."
        )
    return "cpu", f"{here} processes have {cards} graphics cards, so the processor does all of it."


def gram_on(edges: sparse.csr_array, device: str) -> Callable[[Floats], Floats]:
    """x → YᵀY x on a device, for x float32 [n_movies, any]; Y and Yᵀ stay there."""
    there, back = (to_torch(matrix, device) for matrix in (edges, edges.T.tocsr()))

    def apply(block: Floats) -> Floats:
        moved = torch.from_numpy(np.ascontiguousarray(block)).to(device)
        product: Floats = (back @ (there @ moved)).cpu().numpy()
        return product

    return apply


def scores_on(met: Floats, device: str) -> Callable[[Floats], Floats]:
    """f → f metᵀ on a device, for f float32 [any, dim]; `met` [n_movies, dim] stays there."""
    if device == "cpu":
        return lambda vectors: vectors @ met.T
    films = torch.from_numpy(np.ascontiguousarray(met)).to(device)

    def product(vectors: Floats) -> Floats:
        scores: Floats = (torch.from_numpy(vectors).to(device) @ films.T).cpu().numpy()
        return scores

    return product


def to_torch(matrix: sparse.csr_array, device: str = "cpu") -> torch.Tensor:
    """SciPy CSR → torch sparse CSR float32 with int32 indices (4 times as fast as COO)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        return torch.sparse_csr_tensor(
            torch.tensor(matrix.indptr, dtype=torch.int32),
            torch.tensor(matrix.indices, dtype=torch.int32),
            torch.tensor(matrix.data, dtype=torch.float32),
            size=matrix.shape,
            check_invariants=True,
        ).to(device)
