"""The ten-level books."""

from __future__ import annotations

import itertools
from datetime import date

import numpy as np

from observer_core.market.ticks import tick_size
from observer_simulator.market.book import books
from observer_simulator.market.ladder import PRICES
from observer_simulator.market.market import Market

DAY = date(2026, 9, 15)


def test_levels_are_neighbouring_ticks_on_both_sides(market: Market) -> None:
    tape = market.tape("005930", DAY)
    book = books(tape, np.arange(len(tape.states)))
    for prices, step in ((book.ask_prices, 1), (book.bid_prices, -1)):
        for row in prices[::97].tolist():
            for level, following in itertools.pairwise(row):
                lower = min(level, following)
                assert (following - level) * step == tick_size(lower)
    assert (book.ask_volumes > 0).all()
    assert (book.bid_volumes > 0).all()


def test_a_book_can_be_had_without_the_ones_before(market: Market) -> None:
    tape = market.tape("005930", DAY)
    everything, one = books(tape, np.arange(len(tape.states))), books(tape, np.array([1234]))
    assert (everything.ask_volumes[1234] == one.ask_volumes[0]).all()
    assert (everything.bid_prices[1234] == one.bid_prices[0]).all()


def test_deep_levels_keep_their_quantity_while_the_best_one_changes(market: Market) -> None:
    tape = market.tape("005930", DAY)
    still = [state for state in range(500, 1500) if tape.states.ask[state] == tape.states.ask[state + 1]]
    first, second = books(tape, np.array(still)), books(tape, np.array(still) + 1)
    same = (first.ask_volumes == second.ask_volumes).mean(axis=0)
    assert same[0] < 0.1
    assert same[1:].min() > 0.6


def test_levels_beyond_the_price_limit_are_empty(market: Market) -> None:
    """Broker reference, 7.1: empty levels are 0, for example at the price limit."""
    from dataclasses import replace

    tape = market.tape("005930", DAY)
    top = int(np.searchsorted(PRICES, tape.upper_limit))
    at_limit = replace(tape, states=replace(tape.states, bid=np.array([top - 1]), ask=np.array([top])))
    book = books(at_limit, np.array([0]))
    assert book.ask_prices[0].tolist() == [tape.upper_limit] + [0] * 9
    assert (book.ask_volumes[0] > 0).tolist() == [True] + [False] * 9
    assert (book.bid_prices[0] > 0).all()
