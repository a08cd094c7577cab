"""`observer contracts`: verify the execution contracts, report on them, and print the catalogue."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from observer_contracts.catalogue import BY_ID, RULES
from observer_contracts.declaration.build import declare
from observer_contracts.declaration.facts import Declaration
from observer_contracts.declaration.parameters import DEFAULT_FILE, Parameters, read_parameters
from observer_contracts.engine import Verification, verify, worst_exit_status
from observer_contracts.evidence.live.observations import Live
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.evidence.repository import read_repository
from observer_contracts.evidence.runtime.observations import Runtime
from observer_contracts.helm.values import HelmValues, read_values
from observer_contracts.model import Result, Severity, Status
from observer_contracts.reports.blocks import render_html, render_markdown
from observer_contracts.reports.results_page import results_page
from observer_contracts.reports.structured import render_json
from observer_contracts.reports.terminal import explain, render_text
from observer_contracts.rules.disclosure import PROBES
from observer_core.clock import open_clock
from observer_core.errors import ConfigurationError, ObserverError
from observer_core.files import write_atomically

_USAGE = 2
# Statuses of a verification that found something: a finding, or manifests that do not render.
_FINDINGS = (1, 2)
# What `report` looks at where nothing is named: the deployment of the repository that it stands in.
_OWN_MANIFESTS = "deploy/overlays/production"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `contracts verify`, `contracts report` and `contracts catalogue`."""
    parser = subparsers.add_parser("contracts", help="verify the execution contracts of a deployment")
    choices = parser.add_subparsers(dest="contracts_command", required=True, metavar="COMMAND")
    verifying = choices.add_parser("verify", help="compare evidence with the declaration")
    _add_evidence(verifying)
    verifying.add_argument("--format", choices=("text", "json", "markdown", "html"), default="text")
    verifying.add_argument("--only", nargs="+", default=[], metavar="ID", help="run these rules only")
    verifying.add_argument("--explain", metavar="ID", help="explain a rule, and verify nothing")
    verifying.add_argument(
        "--fail-on",
        choices=[s.value for s in Severity],
        default="high",
        metavar="SEVERITY",
        help="smallest severity that fails the command: critical, high (default), medium, low",
    )
    verifying.add_argument(
        "--gate",
        action="store_true",
        help="for an init step: 1 on findings, also on manifests that do not render, else 0: "
        "what could not be looked at stops nothing",
    )
    reporting = choices.add_parser(
        "report",
        help="write the verification report of the specification anew",
        description="Without any evidence named it looks at this repository: "
        f"--manifests {_OWN_MANIFESTS} --repo . where they are here, and says so.",
    )
    _add_evidence(reporting)
    reporting.add_argument("--lang", choices=("en", "ko"), default="en")
    reporting.add_argument("--format", choices=("markdown", "html"), default="markdown")
    catalogue = choices.add_parser("catalogue", help="print the generated documents")
    catalogue.add_argument("document", choices=("contracts", "runbook"))
    catalogue.add_argument("--output", metavar="FILE")


def _add_evidence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--manifests",
        action="append",
        default=[],
        metavar="PATH",
        help="YAML file, folder, kustomization, or - for standard input; may be repeated",
    )
    parser.add_argument(
        "--helm-values",
        action="append",
        default=[],
        metavar="FILE",
        help="values of the Dagster charts; several are layered in their order, as by Helm",
    )
    parser.add_argument(
        "--helm-set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="one value over those files, as by Helm's --set; may be repeated",
    )
    parser.add_argument("--repo", metavar="PATH", help="repository whose files and history are searched")
    parser.add_argument(
        "--runtime",
        action="store_true",
        help="look at the container that this process runs in; writes, renames and removes a small file "
        "in each declared folder to see whether it can",
    )
    parser.add_argument(
        "--live", action="store_true", help="look at the cluster of the kubeconfig, or of this pod"
    )
    parser.add_argument(
        "--persistence-test",
        action="store_true",
        help="with --live: DELETE the collector's pods, and compare its files before and after",
    )
    parser.add_argument(
        "--config", metavar="FILE", help=f"contract parameters (default: {DEFAULT_FILE} here, if any)"
    )
    parser.add_argument("--output", metavar="FILE", help="write there instead of to standard output")


def run(arguments: argparse.Namespace) -> int:
    """Runs the chosen command.

    Returns:
        0 nothing at or above `--fail-on`, 1 findings, 2 usage or render error, 3 could not look; with
        `--gate` 1 findings, else 0.
    """
    try:
        match arguments.contracts_command:
            case "verify":
                return _gate(arguments) if arguments.gate else _verify(arguments)
            case "report":
                return _report(arguments)
            case _:
                return _catalogue(arguments)
    except ObserverError as error:
        print(f"observer contracts: {error}", file=sys.stderr)
        return _USAGE


def _verify(arguments: argparse.Namespace) -> int:
    if arguments.explain:
        print(explain(BY_ID[_known([arguments.explain])[0]]), end="")
        return 0
    verification = _verification(arguments, only=_known(arguments.only))
    results = verify(verification)
    _write(arguments.output, _rendered(results, arguments))
    status = worst_exit_status(results, Severity(arguments.fail_on), named=verification.only)
    if arguments.gate and status in _FINDINGS:
        _say_why(results, Severity(arguments.fail_on))
    return status


def _gate(arguments: argparse.Namespace) -> int:
    """Verifies, and refuses on findings only: a verification that fails must not cost a day's records."""
    try:
        return 1 if _verify(arguments) in _FINDINGS else 0
    except ObserverError as error:
        print(f"observer contracts: not verified, and let through: {error}", file=sys.stderr)
    except Exception as error:  # noqa: BLE001 - a defect of the verification is no finding
        # Without the error's own text, which may hold a value of the environment.
        traceback.print_tb(error.__traceback__)
        defect = f"a defect of the verification ({type(error).__name__})"
        print(f"observer contracts: not verified, and let through: {defect}", file=sys.stderr)
    return 0


def _say_why(results: Sequence[Result], fail_on: Severity) -> None:
    """Names the findings that refuse, last: the kubelet shows the end of the log in the pod's state."""
    print("observer contracts: refused because of", file=sys.stderr)
    for result in results:
        if result.status is Status.FAIL and result.severity.rank <= fail_on.rank:
            finding = result.finding
            what = f"{result.rule.id} {finding.object}: expected {finding.expected}; {finding.observed}"
            print(f"  {what.rstrip('.')}. Remedy: {result.remedy}", file=sys.stderr)


def _known(ids: Sequence[str]) -> list[str]:
    named = [part.upper() for word in ids for part in word.split(",") if part]
    for name in named:
        if name not in BY_ID:
            raise ConfigurationError(
                f"There is no rule {name}.", remedy="`observer contracts catalogue contracts` lists them."
            )
    return named


def _anything_named(arguments: argparse.Namespace) -> bool:
    given = (arguments.manifests, arguments.helm_values, arguments.repo, arguments.runtime, arguments.live)
    return any(given)


def _look_here(arguments: argparse.Namespace) -> None:
    """Chooses this repository's own deployment, files and history as evidence, and says so."""
    chosen = []
    if Path(_OWN_MANIFESTS).is_dir():
        arguments.manifests = [_OWN_MANIFESTS]
        chosen.append(f"--manifests {_OWN_MANIFESTS}")
    if Path(".git").exists():
        arguments.repo = "."
        chosen.append("--repo .")
    if chosen:
        print(f"observer contracts: looking at {' '.join(chosen)}, as nothing was named", file=sys.stderr)


def _verification(arguments: argparse.Namespace, *, only: Sequence[str] = ()) -> Verification:
    """Reads everything that was asked for."""
    if not _anything_named(arguments):
        raise ConfigurationError(
            "Nothing to look at.",
            remedy="Give --manifests PATH, --helm-values FILE, --repo PATH, --runtime or --live.",
        )
    if arguments.persistence_test and not arguments.live:
        raise ConfigurationError("--persistence-test needs --live.", remedy="Give both.")
    parameters = _parameters(arguments.config)
    for exemption in parameters.exemptions:
        if exemption.rule not in BY_ID:
            raise ConfigurationError(
                f"An exemption names {exemption.rule}, which is no rule.", remedy="Correct its `rule`."
            )
    declaration = declare(parameters)
    return Verification(
        declaration,
        manifests=read_manifests(arguments.manifests, sys.stdin.buffer) if arguments.manifests else None,
        repository=read_repository(Path(arguments.repo), probes=PROBES) if arguments.repo else None,
        runtime=_runtime(declaration) if arguments.runtime else None,
        live=_live(declaration, persistence_test=arguments.persistence_test) if arguments.live else None,
        values=_values(arguments),
        only=tuple(only),
        exemptions=parameters.exemptions,
        today=open_clock("real").now().date(),
    )


def _runtime(declaration: Declaration) -> Runtime:
    from observer_contracts.evidence.runtime.local import LocalSurroundings
    from observer_contracts.evidence.runtime.reader import read_runtime

    clock = open_clock(os.environ.get("OBSERVER_CLOCK") or "real")
    return read_runtime(declaration, LocalSurroundings(os.environ, clock))


def _live(declaration: Declaration, *, persistence_test: bool) -> Live:
    from observer_contracts.evidence.live.access import Silence
    from observer_contracts.evidence.live.kubernetes_access import open_access
    from observer_contracts.evidence.live.persistence import PersistenceTest
    from observer_contracts.evidence.live.reader import read_live
    from observer_contracts.evidence.live.watch import RealWatch

    access = open_access()
    live = read_live(declaration, access)
    if not persistence_test or isinstance(access, Silence):
        return live
    outcome = PersistenceTest(declaration, access, RealWatch(open_clock("real"))).run(live)
    return replace(live, persistence=outcome)


def _values(arguments: argparse.Namespace) -> HelmValues | None:
    if arguments.helm_set and not arguments.helm_values:
        raise ConfigurationError("--helm-set needs --helm-values.", remedy="Give the files of the release.")
    return read_values(arguments.helm_values, arguments.helm_set) if arguments.helm_values else None


def _parameters(given: str | None) -> Parameters:
    path = Path(given or DEFAULT_FILE)
    if given is None and not path.is_file():
        return Parameters()
    return read_parameters(path)


def _rendered(results: list[Result], arguments: argparse.Namespace) -> str:
    match arguments.format:
        case "json":
            return render_json(results)
        case "markdown":
            return render_markdown(results_page(results))
        case "html":
            return render_html("Execution contracts", results_page(results), language="en")
        case _:
            colour = not arguments.output and sys.stdout.isatty() and "NO_COLOR" not in os.environ
            return render_text(results, colour=colour)


def _report(arguments: argparse.Namespace) -> int:
    from observer_contracts.reports.verification_report import verification_report

    if not _anything_named(arguments):
        _look_here(arguments)
    verification = _verification(arguments)
    results = verify(verification)
    title, blocks = verification_report(verification, results, language=arguments.lang)
    html = arguments.format == "html"
    _write(
        arguments.output,
        render_html(title, blocks, language=arguments.lang) if html else render_markdown(blocks),
    )
    return 0


def _catalogue(arguments: argparse.Namespace) -> int:
    from observer_contracts.reports.catalogue_page import contracts_page, runbook_page

    page = contracts_page(declare(), RULES) if arguments.document == "contracts" else runbook_page(RULES)
    _write(arguments.output, render_markdown(page))
    return 0


def _write(output: str | None, text: str) -> None:
    content = text.encode("utf-8", "replace")
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        write_atomically(Path(output), content)
    except OSError as error:
        raise ConfigurationError(f"--output {output} cannot be written: {error.strerror}.") from None
