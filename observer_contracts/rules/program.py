"""Which program a container runs: told by its image and its arguments.

Invariant: a container counts as one of our programs only where image and arguments both say so; a command
of its own takes the place of the image's entry point, and what that starts is only known where it is named.
"""

from __future__ import annotations

import fnmatch
from itertools import dropwhile
from pathlib import PurePosixPath

from observer_contracts.declaration.facts import Declaration, WorkloadFact
from observer_contracts.evidence.objects import text_at
from observer_contracts.evidence.workloads import Container, Workload

# What Dagster writes on the Jobs of its runs, and on the pods of their steps.
RUN_LABEL = "dagster/run-id"
# Programs that hand over to the one that follows.
_HANDING_OVER = frozenset({"tini", "dumb-init", "docker-entrypoint.sh", "python", "python3", "-m", "--"})


def image_parts(image: str) -> tuple[str, str, str]:
    """Returns repository, tag and digest of an image."""
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    base, _, tag = last.partition(":")
    return head + slash + base, tag, digest


def words_of(container: Container) -> list[str]:
    """Returns command and arguments of a container."""
    return [*_block(container, "command"), *_block(container, "args")]


def _block(container: Container, block: str) -> list[str]:
    words = container.fields.get(block)
    return [str(word) for word in words] if isinstance(words, list) else []


def is_run(workload: Workload) -> bool:
    """Tells whether a workload is a run of Dagster, or a step of one."""
    return RUN_LABEL in workload.labels or RUN_LABEL in workload.object.mapping("metadata", "labels")


def starts_declared_program(fact: WorkloadFact, container: Container) -> bool | None:
    """Tells whether command and arguments start the declared program.

    Returns:
        None where they say nothing, so that the image decides.
    """
    command, arguments = _block(container, "command"), _block(container, "args")
    wanted = list(fact.arguments)
    if command:
        words = list(
            dropwhile(lambda word: PurePosixPath(word).name in _HANDING_OVER, [*command, *arguments])
        )
        return PurePosixPath(next(iter(words), "")).name == fact.program and _begins(words[1:], wanted)
    if not arguments:
        return None
    if wanted:
        return _begins(arguments, wanted)
    return arguments[0].startswith("-") or arguments[0] == fact.program


def _begins(words: list[str], wanted: list[str]) -> bool:
    return words[: len(wanted)] == wanted


def is_collector(declaration: Declaration, container: Container) -> bool:
    """Tells whether a container runs the collector, which takes the lock before it writes."""
    if not _has_image(container, declaration.image):
        return False
    return starts_declared_program(declaration.collector, container) is not False


def is_own_image(declaration: Declaration, container: Container) -> bool:
    """Tells whether a container has the collector's or the pipeline's image."""
    return any(_has_image(container, image) for image in (declaration.image, f"{declaration.image}-pipeline"))


def _has_image(container: Container, pattern: str) -> bool:
    return fnmatch.fnmatchcase(image_parts(text_at(container.fields, "image"))[0], pattern)
