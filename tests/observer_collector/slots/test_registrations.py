"""What a configuration may ask for."""

import pytest

from observer_collector.slots.registrations import Pair, read_channel, read_pair, read_pinned

CHANNELS = ("H0STCNT0", "H0STASP0")


def test_a_pinned_symbol_has_the_common_channels_or_its_own():
    """Per symbol which of trade, book and expected price, and on which venue."""
    assert read_pinned(["005930", "000660:H0UNCNT0+H0STANC0", "Q530036"], CHANNELS) == {
        "005930": CHANNELS,
        "000660": ("H0UNCNT0", "H0STANC0"),
        "Q530036": CHANNELS,
    }


def test_an_index_is_registered_by_its_four_digits():
    assert read_pair("H0UPCNT0:0001") == Pair("H0UPCNT0", "0001")


def test_a_channel_that_no_table_lists_can_be_registered():
    assert read_pair("H0STNEW9:005930") == Pair("H0STNEW9", "005930")


@pytest.mark.parametrize("text", ["", "H0STCNT", "H0STCNT00", "h0stcnt0", "H1STCNT0", "FHKST11300006"])
def test_what_is_no_channel_is_refused(text):
    with pytest.raises(ValueError, match="no channel"):
        read_channel(text)


@pytest.mark.parametrize(
    "text", ["H0UPCNT0", "H0UPCNT0:005930", "H0STCNT0:0001", "H0STCNT0:", "H0STCNT0:삼성전자"]
)
def test_what_is_no_key_of_a_channel_is_refused(text):
    """A stock channel takes six characters, an index channel four."""
    with pytest.raises(ValueError, match=r"is no .* of H0"):
        read_pair(text)


@pytest.mark.parametrize("text", ["5930", "005930:", "005930:H0STCNT0+", "005930:H0UPCNT0", "삼성전자"])
def test_what_is_no_symbol_is_refused(text):
    with pytest.raises(ValueError, match="is no "):
        read_pinned([text], CHANNELS)
