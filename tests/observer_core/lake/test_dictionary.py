"""The data dictionary is generated and current."""

from pathlib import Path

from observer_core.lake.dictionary import render_dictionary

ROOT = Path(__file__).resolve().parents[3]


def test_the_file_in_the_repository_is_current() -> None:
    """After a changed table run: observer lake dictionary > docs/data-dictionary.md."""
    assert (ROOT / "docs/data-dictionary.md").read_text() == render_dictionary()
