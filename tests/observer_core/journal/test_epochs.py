"""Epochs are never given out twice."""

import pytest

from observer_core.journal import EpochStore


def test_epochs_count_on_over_restarts(tmp_path):
    path = tmp_path / "epochs-0.json"
    first = EpochStore(path)
    assert [first.next(), first.next()] == [1, 2]
    assert EpochStore(path).next() == 3


def test_the_journal_is_the_second_memory(tmp_path):
    """A lost or damaged file does not bring an old epoch back."""
    path = tmp_path / "epochs-0.json"
    EpochStore(path).next()
    path.write_text("{")
    assert EpochStore(path, seen=7).next() == 8
    path.unlink()
    assert EpochStore(path, seen=8).next() == 9


def test_an_epoch_that_did_not_reach_the_disk_is_not_given_out(tmp_path, monkeypatch):
    """The number is durable before it is used."""
    path = tmp_path / "epochs-0.json"
    store = EpochStore(path)

    def refuse(*_arguments, **_options):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr("observer_core.journal.epochs.write_atomically", refuse)
        with pytest.raises(OSError):  # noqa: PT011  # the disk's error, whatever it is
            store.next()
    assert store.next() == 1
