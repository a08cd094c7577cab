"""`observer secrets`: what the deployment's Secret must hold, and sealing it."""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import sys
from pathlib import Path

from observer_contracts.declaration.build import declare
from observer_contracts.declaration.facts import Declaration
from observer_contracts.declaration.parameters import DEFAULT_FILE, Parameters, read_parameters
from observer_contracts.sealing.destination import refuse_other_deployment
from observer_contracts.sealing.guide import secrets_guide
from observer_contracts.sealing.kubeseal import seal_with_kubeseal
from observer_contracts.sealing.native import public_key, seal_value
from observer_contracts.sealing.sealed_secret import sealed_secret
from observer_contracts.sealing.template import environment_template, manifest_template
from observer_contracts.sealing.values import (
    Values,
    ask_values,
    checked,
    read_values,
    values_from_environment,
)
from observer_core.clock import open_clock
from observer_core.errors import ConfigurationError, InputError
from observer_core.files import write_atomically


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `secrets template`, `secrets seal` and `secrets guide`."""
    parser = subparsers.add_parser("secrets", help="make the Secret of a deployment")
    choices = parser.add_subparsers(dest="secrets_command", required=True, metavar="COMMAND")
    template = choices.add_parser(
        "template", help="print what to fill in: every key that is needed or may be there"
    )
    template.add_argument("--format", choices=("env", "manifest"), default="env")
    sealing = choices.add_parser("seal", help="seal the values for the cluster; prints the SealedSecret")
    sealing.add_argument(
        "--cert", required=True, type=Path, metavar="FILE", help="the controller's certificate (PEM)"
    )
    source = sealing.add_mutually_exclusive_group()
    source.add_argument(
        "--values", type=Path, metavar="FILE", help="a filled-in template; without it you are asked"
    )
    source.add_argument(
        "--from-environment", action="store_true", help="take the values from the environment"
    )
    sealing.add_argument(
        "--native", action="store_true", help="do not use kubeseal, even where it is installed"
    )
    sealing.add_argument("--output", type=Path, metavar="FILE", help="write the SealedSecret there")
    guide = choices.add_parser("guide", help="print docs/operations/secrets.md")
    for command in (template, sealing, guide):
        command.add_argument(
            "--config", metavar="FILE", help=f"contract parameters (default: {DEFAULT_FILE} here, if any)"
        )


def run(arguments: argparse.Namespace) -> int:
    """Runs the sub-command that was chosen."""
    declaration = _declaration(arguments.config)
    if arguments.secrets_command == "template":
        make = manifest_template if arguments.format == "manifest" else environment_template
        print(make(declaration), end="")
    elif arguments.secrets_command == "guide":
        print(secrets_guide(declaration), end="")
    else:
        _seal(arguments, declaration)
    return 0


def _declaration(config: str | None) -> Declaration:
    path = Path(config or DEFAULT_FILE)
    if config is None and not path.exists():
        return declare(Parameters())
    return declare(read_parameters(path))


def _seal(arguments: argparse.Namespace, declaration: Declaration) -> None:
    if arguments.output is not None:
        refuse_other_deployment(arguments.output, declaration)
    try:
        certificate = arguments.cert.read_bytes()
    except OSError as error:
        raise InputError(
            f"{arguments.cert} cannot be read: {error.strerror}.",
            remedy="Fetch it with: kubeseal --fetch-cert > cert.pem",
        ) from None
    key = public_key(certificate, open_clock("real").now())
    values = checked(_values(arguments, declaration), declaration)
    kubeseal = None if arguments.native else shutil.which("kubeseal")
    if kubeseal is not None:
        encrypted = seal_with_kubeseal(kubeseal, values, arguments.cert, declaration)
    else:
        label = f"{declaration.namespace}/{declaration.secret.name}"
        encrypted = {name: seal_value(value, key, label, os.urandom) for name, value in values.items()}
    text = sealed_secret(encrypted, declaration, "kubeseal" if kubeseal else "observer secrets seal")
    if arguments.output is None:
        print(text, end="")
        return
    write_atomically(arguments.output, text.encode())
    print(
        f"{arguments.output}: {len(encrypted)} values sealed for "
        f"{declaration.namespace}/{declaration.secret.name}"
    )


def _values(arguments: argparse.Namespace, declaration: Declaration) -> Values:
    if arguments.values is not None:
        return read_values(arguments.values, declaration)
    if arguments.from_environment:
        return values_from_environment(os.environ, declaration)
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "There is no terminal to ask for the values.",
            remedy="Give a filled-in template with --values, or use --from-environment.",
        )
    return ask_values(getpass.getpass, declaration)
