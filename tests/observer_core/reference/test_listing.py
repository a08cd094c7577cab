"""The listing that ships with the package."""

import gzip
from collections import Counter

import pytest

from observer_core.errors import InputError
from observer_core.reference.instrument import ListedInstrument, Market
from observer_core.reference.listing import parse_listing, read_listing, write_listing


def test_it_has_the_real_market_of_its_day():
    """The figures of the broker's master files (platform facts: rows, shares, common shares)."""
    listing = read_listing()
    assert Counter(one.market for one in listing) == {Market.KOSPI: 2493, Market.KOSDAQ: 1822}
    shares = Counter(one.market for one in listing if one.group == "ST")
    assert shares == {Market.KOSPI: 920, Market.KOSDAQ: 1803}
    common = [one for one in listing if one.group == "ST" and one.preferred_class == "0"]
    assert sum(one.market is Market.KOSPI for one in common) == 810
    assert len({one.code for one in listing}) == len(listing)


def test_it_has_a_real_share_with_all_it_says():
    [samsung] = [one for one in read_listing() if one.code == "005930"]
    assert samsung == ListedInstrument(
        code="005930",
        isin="KR7005930003",
        name="삼성전자",
        market=Market.KOSPI,
        group="ST",
        preferred_class="0",
        spac=False,
        suspended=False,
        liquidation=False,
        base_price=188200,
        previous_volume=29522650,
        listed_shares=5_919_637_000,
    )


def test_flags_survive():
    by_code = {one.code: one for one in read_listing()}
    assert by_code["001570"].suspended
    assert by_code["0004Y0"].spac
    assert by_code["036180"].liquidation


def test_writing_it_again_gives_the_same_bytes_and_content():
    once = write_listing(read_listing())
    assert once == write_listing(read_listing())
    assert parse_listing(once, source="again") == read_listing()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"code,isin\n",
        gzip.compress(b"code,isin\n005930,KR7005930003\n"),
        gzip.compress(b"\xff\xfe"),
        gzip.compress(gzip.decompress(write_listing(read_listing())).replace(b"KOSPI", b"NASDAQ", 1)),
        gzip.compress(gzip.decompress(write_listing(read_listing()))[:-20]),
        write_listing(read_listing())[:-100],
    ],
)
def test_a_damaged_listing_is_refused(content):
    with pytest.raises(InputError, match=r"listing\.csv\.gz"):
        parse_listing(content, source="listing.csv.gz")
