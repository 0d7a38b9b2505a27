"""What a session may leave in the server's memory by uploading.

Streamlit limits the size of one file and not how many there are: whoever knows the address of their
session can send files for as long as the page is open, and the server keeps them all.
"""

from __future__ import annotations

from streamlit import runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

MAX_FILES = 3  # of a session; the page needs one, and one more while the next arrives
MAX_TOTAL = 20 * 2**20  # bytes of a session: two of the largest files that config.toml allows


class _Limited(MemoryUploadedFileManager):
    """Lets a session's oldest files go when there are too many, or too much of them."""

    def add_file(self, session_id: str, file: UploadedFileRec) -> None:
        super().add_file(session_id, file)
        kept = dict(self.file_storage.get(session_id, {}))
        total = sum(len(each.data) for each in kept.values())
        for file_id, each in kept.items():  # the oldest first
            if len(kept) <= 1 or (len(kept) <= MAX_FILES and total <= MAX_TOTAL):
                break
            if file_id != file.file_id:
                self.remove_file(session_id, file_id)
                kept = {name: one for name, one in kept.items() if name != file_id}
                total -= len(each.data)


def limit_uploads() -> None:
    """From now on, on this server; there is no option of Streamlit's for it."""
    if runtime.exists():
        manager = runtime.get_instance().uploaded_file_mgr
        if type(manager) is MemoryUploadedFileManager:
            manager.__class__ = _Limited
