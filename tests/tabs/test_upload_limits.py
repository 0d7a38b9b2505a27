"""How many uploaded files a session keeps in the server, and how much of them."""

from __future__ import annotations

from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from tabs.upload_limits import MAX_FILES, MAX_TOTAL, _Limited


def kept(manager: _Limited, session: str) -> list[str]:
    return list(manager.file_storage.get(session, {}))


def send(manager: _Limited, session: str, name: str, size: int = 1) -> None:
    manager.add_file(session, UploadedFileRec(name, name, "text/csv", bytes(size)))


def test_the_last_files_of_a_session_stay() -> None:
    manager = _Limited("/upload")
    send(manager, "other", "theirs")
    for number in range(9):
        send(manager, "mine", str(number))
    assert kept(manager, "mine") == [str(number) for number in range(9)][-MAX_FILES:]
    assert kept(manager, "other") == ["theirs"]


def test_their_size_counts_too_and_the_newest_always_stays() -> None:
    manager = _Limited("/upload")
    send(manager, "mine", "small")
    send(manager, "mine", "large", MAX_TOTAL - 1)
    assert kept(manager, "mine") == ["small", "large"]
    send(manager, "mine", "more")
    assert kept(manager, "mine") == ["large", "more"]
    send(manager, "mine", "huge", MAX_TOTAL + 1)
    assert kept(manager, "mine") == ["huge"]
    send(manager, "mine", "huge", MAX_TOTAL + 2)  # sent again under the same name
    assert kept(manager, "mine") == ["huge"]
