"""Any conversation with any broker: the session against a broker that forgets, delays and refuses."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from observer_collector.market_hours import MarketHours
from observer_collector.moments import Moment
from observer_collector.session.commands import Echo, End, Note, Register, Release
from observer_collector.session.session import Session
from observer_collector.slots.registrations import Pair
from observer_core.brokers.kis.frames import Acknowledgement, Refusal
from observer_core.market.calendar import MarketCalendar

# 2026-09-15 10:00 in Korea, in the session.
START_NS = 1_789_434_000 * 10**9
LIMIT = 4
PAIRS = [Pair("H0STCNT0", f"00000{number}") for number in range(6)]
PASSING = ("OPSP0007", "OPSP0009", "OPSP8999", "OPSP4242")


@dataclass
class Broker:
    """What the broker holds, and the answers that are on their way."""

    held: set = field(default_factory=set)
    answers: list = field(default_factory=list)

    def takes(self, command):
        pair = command.pair
        if isinstance(command, Release):
            if pair in self.held:
                self.held.remove(pair)
                self.answers.append(Acknowledgement(*pair, True, "OPSP0001", "UNSUBSCRIBE SUCCESS"))
            else:
                self.answers.append(Refusal(*pair, "OPSP0003", "UNSUBSCRIBE ERROR(not found!)"))
        elif pair in self.held:
            self.answers.append(Refusal(*pair, "OPSP0002", "ALREADY IN SUBSCRIBE"))
        elif len(self.held) >= LIMIT:
            self.answers.append(Refusal(*pair, "OPSP0008", "MAX SUBSCRIBE OVER"))
        else:
            self.held.add(pair)
            self.answers.append(Acknowledgement(*pair, False, "OPSP0000", "SUBSCRIBE SUCCESS"))


class Conversation(RuleBasedStateMachine):
    """Plans change, time passes, answers come late, in any order, or never."""

    def __init__(self):
        super().__init__()
        self.now = Moment(START_NS, 0)
        self.broker = Broker()
        self.records = {}
        self.plan = PAIRS[:LIMIT]
        self.lost_anything = False
        self.sent = []
        self.session = Session(
            self.plan,
            limit=LIMIT,
            now=self.now,
            outages={},
            hours=MarketHours(MarketCalendar()),
            records=lambda pair: self.records.get(pair, 0),
        )

    def perform(self, commands):
        for command in commands:
            match command:
                case Register(pair) | Release(pair):
                    self.sent.append((self.now, command))
                    self.broker.takes(command)
                    if isinstance(command, Register):
                        assert pair in self.plan, "only what is wanted is registered"
                case Note() | Echo():
                    pass
                case End():
                    raise AssertionError("a line with messages and data does not end")

    def pass_time(self, seconds):
        """Time passes on both clocks; the line is alive and every held pair delivers."""
        self.now = Moment(self.now.clock_ns + int(seconds * 1e9), self.now.real_ns + int(seconds * 1e9))
        for pair in self.broker.held:
            self.records[pair] = self.records.get(pair, 0) + 1
        self.session.heard(self.now)
        self.perform(self.session.tick(self.now))

    @rule(seconds=st.sampled_from([0.05, 0.1, 1, 29, 31, 200]))
    def wait(self, seconds):
        self.pass_time(seconds)

    @rule(plan=st.permutations(PAIRS), size=st.integers(0, LIMIT))
    def replan(self, plan, size):
        self.plan = plan[:size]
        self.session.replan(self.plan, self.now)

    @precondition(lambda self: self.broker.answers)
    @rule(data=st.data())
    def answer(self, data):
        """Answers are not guaranteed to come in order (broker reference, 6.2)."""
        at = data.draw(st.integers(0, len(self.broker.answers) - 1))
        self.perform(self.session.received(self.broker.answers.pop(at), self.now))

    @precondition(lambda self: self.broker.answers)
    @rule()
    def lose_an_answer(self):
        self.broker.answers.pop(0)
        self.lost_anything = True

    @rule(pair=st.sampled_from(PAIRS), code=st.sampled_from(PASSING))
    def fail_for_a_while(self, pair, code):
        """A refusal out of nowhere, of a listed passing fault or of a code that nobody lists."""
        self.lost_anything = True
        self.perform(self.session.received(Refusal(*pair, code, "text"), self.now))

    @invariant()
    def keeps_the_pace(self):
        """Two messages are at least a tenth of a second apart."""
        if len(self.sent) >= 2:
            (before, _), (after, _) = self.sent[-2:]
            assert after.real_ns - before.real_ns >= 100_000_000

    @invariant()
    def asks_for_no_more_than_the_limit(self):
        """As far as it can know: with every answer delivered, the broker never has to refuse."""
        assert self.session.capacity >= 1
        if not self.lost_anything:
            assert not [one for one in self.broker.answers if one.code == "OPSP0008"]

    def teardown(self):
        """Left alone with a broker that answers, the session holds exactly its plan."""
        for _ in range(60):
            while self.broker.answers:
                self.perform(self.session.received(self.broker.answers.pop(0), self.now))
            self.pass_time(200)
        refused = {pair for pair, slot in self.session.slots.items() if slot.state.value == "refused"}
        waiting = {pair for pair, slot in self.session.slots.items() if slot.state.value == "wanted"}
        confirmed = {pair for pair, slot in self.session.slots.items() if slot.state.value == "confirmed"}
        assert confirmed | refused | waiting == set(self.plan)
        assert confirmed <= self.broker.held
        if self.session.capacity == LIMIT:
            assert not refused
            assert not waiting
            assert self.broker.held == set(self.plan)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
