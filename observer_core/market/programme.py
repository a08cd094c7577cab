"""When the work of a trading day is due, Korean time.

Invariant: Dagster's schedules and the conductor of a virtual day read these times; nothing repeats them.
"""

from __future__ import annotations

from datetime import time

# The broker packs the master files of a trading day at 07:35 (KOSPI) and 07:55 (KOSDAQ), by the times
# inside the archives; whoever asks earlier gets yesterday's base prices. The opening auction, the first
# thing that needs the universe, begins at 08:30.
REFRESH_REFERENCE_AT = time(8, 5)

# The last data of a day is due at 20:00, on shifted days as well.
CLOSE_DAY_AT = time(20, 10)

# The close takes some minutes, and its files leave the node before retention asks whether they have.
SHIP_CLOSED_DAY_AT = time(20, 30)
RETENTION_AT = time(20, 40)
