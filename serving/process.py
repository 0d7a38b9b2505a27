"""What makes a server that runs for weeks cheap."""

from __future__ import annotations

import contextlib
import ctypes
import gc

_M_ARENA_MAX = -8  # of glibc's mallopt
_ARENAS = 2


def settle() -> None:
    """To be called when libraries were imported since the last call.

    Streamlit collects garbage after every run, which Python does by walking through all objects.
    What libraries hold never becomes garbage, and walking through it took more time than most runs.

    glibc gives threads heaps of their own, up to eight per processor, and each keeps what was freed
    in it. Streamlit runs every visitor in a new thread, so a server grew by 7 MiB with each of
    them who looked around, of which 0.4 were in use; with two heaps for all threads it grows by 5.
    Elsewhere than under glibc there is nothing to set.
    """
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, _ARENAS)
