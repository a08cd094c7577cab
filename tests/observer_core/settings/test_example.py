"""`.env.example` is generated and current."""

from pathlib import Path

from observer_core.settings.example import render_example

ROOT = Path(__file__).resolve().parents[3]


def test_the_file_in_the_repository_is_current() -> None:
    """After a changed setting run: observer settings example > .env.example."""
    assert (ROOT / ".env.example").read_text() == render_example()


def test_the_example_holds_no_value_of_a_secret() -> None:
    """Secrets are named and empty."""
    lines = render_example().splitlines()
    assert "KIS_APP_SECRET=" in lines
    assert "DB_PASSWORD=" in lines
