"""Time, as every process of Observer asks for it.

Invariant: no other module reads the machine's wall clock. A process gets one `Clock`, either real
time or a virtual time that it shares with the other processes of a local stack, and passes it on.
Durations of I/O, fsync windows and watchdogs are real time (`Clock.monotonic_ns`); market phases,
cadences and partitions are the clock's time (`Clock.now`).
"""

from observer_core.clock.base import KST, Clock, Participant, RealClock, kst_datetime
from observer_core.clock.conductor import Conductor, Hold
from observer_core.clock.shared import ClockFile, SharedClock, open_clock
from observer_core.clock.step import StepClock

__all__ = [
    "KST",
    "Clock",
    "ClockFile",
    "Conductor",
    "Hold",
    "Participant",
    "RealClock",
    "SharedClock",
    "StepClock",
    "kst_datetime",
    "open_clock",
]
