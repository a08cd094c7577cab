"""A disk of the lake on which the process dies at a chosen step."""

from observer_core.lake.storage import LakeStorage


class Killed(BaseException):
    """The process dies: nothing of ours may catch it."""


class DyingStorage(LakeStorage):
    """A disk on which the process dies before or after the n-th change."""

    def __init__(self, step, *, after):
        self.left, self.after = step, after

    def _step(self, change, *arguments):
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        change(*arguments)
        if self.left == 0:
            raise Killed

    def publish(self, source, target):
        self._step(super().publish, source, target)

    def write(self, target, content):
        self._step(super().write, target, content)

    def remove(self, path):
        self._step(super().remove, path)
