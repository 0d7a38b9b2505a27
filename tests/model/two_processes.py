"""What two processes do in `test_processes`: `torchrun --nproc-per-node 2 two_processes.py FOLDER`.

Both compute the parts of a training, on the processor and on pretended cards, and the first one
writes them down; then they train by the command, and the second one ends in the second epoch, as if
it had been killed.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # torchrun starts it as a file

import numpy as np
import torch

import model_training
from data_preparation import load_movie_data
from model.bpr import Learner
from model.processes import Processes, joined_processes
from tests.card import CARD, pretended_card
from tests.model.test_processes import COMMAND, parts_of


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with joined_processes() as both:
        data = load_movie_data(Path(os.environ["MOVIELENS_DIR"]))
        found = {"two": parts_of(data, both)}
        with pretended_card():
            found["cards"] = parts_of(data, Processes(both.rank, both.size, CARD))
        for name, parts in found.items():
            if both.first:
                np.savez(folder / f"{name}.npz", **parts)
        sys.exit(train_until_one_dies(folder, both))


def train_until_one_dies(folder: Path, both: Processes) -> int:
    # They stay joined: a second group of the same processes may find the addresses of the first.
    model_training.joined_processes = lambda device: nullcontext(both)  # type: ignore[assignment]
    run_epoch, epochs = Learner.run_epoch, [0]

    def dies(learner: Learner) -> float:
        epochs[0] += 1
        if epochs[0] == 2 and learner.processes.rank == 1:
            os._exit(9)
        return run_epoch(learner)

    Learner.run_epoch = dies  # type: ignore[method-assign]
    return model_training.main([*COMMAND, "--output", str(folder / "model.pth")])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
