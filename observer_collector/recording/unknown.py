"""What the broker sends that no table lists.

Invariant: it is journaled like everything else; here it is only counted, and told once a process, so
that a protocol change is noticed on its first day and floods no log.
"""

from __future__ import annotations

from collections import Counter

from observer_core.brokers.kis.catalogue import CHANNELS
from observer_core.logs import logger

_log = logger(__name__)

# Channel and number of values of every record that is known to exist.
KNOWN = frozenset((name, width.values) for name, channel in CHANNELS.items() for width in channel.widths)


class Unknown:
    """Frames of unknown channels and unknown widths.

    Attributes:
        channels: Frames by channel that the catalogue does not have.
        widths: Frames by channel and number of values, where the channel is known and the number is not.
    """

    def __init__(self) -> None:
        self.channels: Counter[str] = Counter()
        self.widths: Counter[tuple[str, int]] = Counter()

    def frame(self, channel: str, width: int) -> None:
        """Counts a frame whose channel and width are not in `KNOWN`."""
        if channel in CHANNELS:
            if (channel, width) not in self.widths:
                _log.warning(
                    "Records have an unknown number of values; they are journaled as they come.",
                    channel=channel, values=width,
                )  # fmt: skip
            self.widths[channel, width] += 1
            return
        if channel not in self.channels:
            _log.warning("An unknown channel is journaled as it comes.", channel=channel, values=width)
        self.channels[channel] += 1
