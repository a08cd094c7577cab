"""Documents that are generated are current."""

from pathlib import Path

from observer_contracts.catalogue import RULES
from observer_contracts.declaration.build import declare
from observer_contracts.reports.blocks import render_markdown
from observer_contracts.reports.catalogue_page import contracts_page, runbook_page
from observer_contracts.reports.phrases import Language, phrases

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_contract_page_is_current() -> None:
    """`observer contracts catalogue contracts --output docs/contracts.md` was run after the last change."""
    assert (DOCS / "contracts.md").read_text() == render_markdown(contracts_page(declare(), RULES))


def test_the_runbook_is_current() -> None:
    """`observer contracts catalogue runbook` was written to the runbook after the last change."""
    assert (DOCS / "operations/contract-runbook.md").read_text() == render_markdown(runbook_page(RULES))


def test_both_languages_have_the_same_phrases() -> None:
    """No phrase of the report is missing in one of the languages, and none has another placeholder."""
    english, korean = phrases(Language.ENGLISH), phrases(Language.KOREAN)
    assert english.keys() == korean.keys()
    for name, text in english.items():
        assert {part for part in ("{day}", "{sources}", "{name}") if part in text} == {
            part for part in ("{day}", "{sources}", "{name}") if part in korean[name]
        }


def test_the_catalogue_is_consistent() -> None:
    """Ids are unique, every rule of evidence has a check, and each critical finding has a rule."""
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert [rule.id for rule in RULES if not rule.checks] == ["EXM-001"]
    assert {rule.cf for rule in RULES} - {None} == {f"CF-{number}" for number in range(1, 8)}
    assert all(rule.why.endswith(".") and rule.remedy.endswith(".") and rule.look for rule in RULES)
