"""Failed checks and runs reach a real webhook once each way, from a real instance."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from observer_core.errors import BrokerCredentialError, NetworkError
from observer_pipeline.alert_sensor import alerts
from observer_pipeline.alerting import Finding, Level, Problem, message_of, news_of, without_forgotten
from observer_pipeline.failures import failure_of
from observer_pipeline.resources import Deployment

SECRET_PATH = "/services/T0/B0/very-secret-part"


class Receiver:
    """A webhook that keeps what it takes, and answers as told."""

    def __init__(self):
        self.status, self.messages = 200, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if outer.status == 200:
                    outer.messages.append(body)
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_):
                """Stays quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}{SECRET_PATH}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


class World:
    """An asset whose check and whose run fail as told, and the sensor's ticks."""

    def __init__(self, deployment):
        self.deployment = deployment
        self.severity, self.run_fails, self.failure = None, False, None
        self.cursor = ""

        @dg.asset(key=["warehouse", "bars"])
        def bars():
            if self.failure is not None:
                raise failure_of(self.failure)
            if self.run_fails:
                raise RuntimeError("no luck <!channel>")

        @dg.asset_check(asset=bars)
        def adds_up():
            return dg.AssetCheckResult(
                passed=self.severity is None,
                severity=self.severity or dg.AssetCheckSeverity.ERROR,
                description="2 rows of 3",
                metadata={
                    "bound": 3,
                    "observed": 2,
                    "cause": "external: broker",
                    "trading_day": "2026-09-15",
                },
            )

        job = dg.define_asset_job("the_job", [bars])
        self.defs = dg.Definitions(assets=[bars], asset_checks=[adds_up], jobs=[job])

    def run(self):
        job = self.defs.resolve_job_def("the_job")
        job.execute_in_process(instance=self.deployment.instance, raise_on_error=False)

    def tick(self) -> str:
        context = dg.build_sensor_context(instance=self.deployment.instance, cursor=self.cursor)
        result = alerts(context, Deployment(time_source="real"))
        self.cursor = context.cursor
        return result.skip_message


@pytest.fixture
def world(mounts, receiver):
    mounts.set_environment(
        OBSERVER_ALERT_WEBHOOK_URL=receiver.address, OBSERVER_DAGSTER_URL="https://dagster.test/"
    )
    return World(mounts)


def test_a_failed_check_is_told_once_with_its_link_and_taken_back_once(world, receiver):
    world.tick()
    world.severity = dg.AssetCheckSeverity.ERROR
    for _ in range(2):
        world.run()
        world.tick()
    (message,) = receiver.messages
    assert message["text"].startswith("ERROR: 1 problem in the pipeline (")
    (told,) = message["attachments"]
    assert told["title"] == "ERROR: warehouse/bars: adds_up 2026-09-15"
    assert told["title_link"] == "https://dagster.test/assets/warehouse/bars?view=checks&checkDetail=adds_up"
    assert told["text"] == "2 rows of 3 · bound: 3 · observed: 2"
    assert told["fields"] == [{"title": "Cause", "value": "external: broker", "short": True}]
    assert told["color"] == "danger"
    world.severity = None
    world.run()
    world.tick()
    world.tick()
    assert [one["attachments"][0]["color"] for one in receiver.messages] == ["danger", "good"]
    assert receiver.messages[1]["text"].startswith("RESOLVED: 1 resolved")


def test_a_warning_that_grows_worse_is_told_again(world, receiver):
    world.tick()
    for severity in (dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN):
        world.severity = severity
        world.run()
        world.tick()
    assert [one["attachments"][0]["color"] for one in receiver.messages] == ["warning", "danger"]


def test_a_failed_run_is_told_once_and_is_over_when_the_job_succeeds(world, receiver):
    world.tick()
    world.run_fails = True
    world.run()
    world.run()
    world.tick()
    world.run_fails = False
    world.run()
    world.tick()
    titles = [one["title"] for message in receiver.messages for one in message["attachments"]]
    assert titles == ["ERROR: run of the_job", "RESOLVED: run of the_job"]
    assert "/runs/" in receiver.messages[0]["attachments"][0]["title_link"]
    assert "<!channel>" not in json.dumps(receiver.messages)


def test_a_failed_run_tells_step_cause_and_remedy(world, receiver):
    """Whoever reads the message knows whose fault it is before opening Dagster."""
    world.tick()
    world.failure = BrokerCredentialError("EGW00103", "the key is not valid", remedy="Check KIS_APP_KEY.")
    world.run()
    world.tick()
    told = json.dumps(receiver.messages, ensure_ascii=False)
    for part in ("warehouse__bars", "the key is not valid", "Check KIS_APP_KEY.", "external: broker"):
        assert part in told


def test_what_was_before_the_first_tick_is_not_told(world, receiver):
    world.severity = dg.AssetCheckSeverity.ERROR
    world.run()
    assert "from now on" in world.tick()
    world.tick()
    assert receiver.messages == []


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_webhook_that_was_away_hears_what_still_holds(world, receiver, status):
    world.tick()
    world.severity = dg.AssetCheckSeverity.ERROR
    world.run()
    receiver.status = status
    before = world.cursor
    with pytest.raises(NetworkError) as raised:
        world.tick()
    assert "secret" not in str(raised.value)
    assert world.cursor == before
    receiver.status = 200
    world.tick()
    assert len(receiver.messages) == 1


def test_a_problem_that_came_and_went_meanwhile_is_no_news(world, receiver):
    world.tick()
    for severity in (dg.AssetCheckSeverity.ERROR, None):
        world.severity = severity
        world.run()
    world.tick()
    assert receiver.messages == []


def test_without_a_webhook_it_says_so(world, mounts):
    mounts.set_environment(OBSERVER_ALERT_WEBHOOK_URL="")
    assert "OBSERVER_ALERT_WEBHOOK_URL is not set" in world.tick()


def finding(number, level=Level.ERROR):
    return Finding(
        key=f"k{number}", title=f"t{number}", level=level, text="", cause="", path="/x", at_seconds=number
    )


def test_a_storm_is_one_message_with_its_first_twenty():
    news = news_of({}, [finding(number) for number in range(100)])
    message = message_of(news, address="https://d.test", place="here")
    assert message["text"] == "ERROR: 100 problems in the pipeline (here)"
    assert len(message["attachments"]) == 20


def test_a_problem_that_nobody_takes_back_is_forgotten_after_a_fortnight():
    kept = without_forgotten({"old": Problem(2, 0.0), "new": Problem(2, 86_401.0)}, 14 * 86_400 + 86_400.0)
    assert set(kept) == {"new"}
