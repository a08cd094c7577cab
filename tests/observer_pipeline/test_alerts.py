"""Failed checks and runs reach a real webhook once each way, from a real instance."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest
from dagster._core.storage.tags import WILL_RETRY_TAG

from observer_core.errors import BrokerCredentialError, NetworkError
from observer_pipeline.alerting import Finding, Level, Problem, message_of, news_of, without_forgotten
from observer_pipeline.failures import failure_of

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
        self.judged = {"trading_day": "2026-09-15"}
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
                metadata={"bound": 3, "observed": 2, "cause": "external: broker", **self.judged},
            )

        job = dg.define_asset_job("the_job", [bars])
        self.defs = dg.Definitions(assets=[bars], asset_checks=[adds_up], jobs=[job])

    def run(self):
        job = self.defs.resolve_job_def("the_job")
        job.execute_in_process(instance=self.deployment.instance, raise_on_error=False)

    def tick(self) -> str:
        """Evaluates the sensor of the real definitions with the resources that Dagster makes for it."""
        repository = self.deployment.defs.get_repository_def()
        sensor = repository.get_sensor_def("alerts")
        needed = {
            key: one
            for key, one in repository.get_top_level_resources().items()
            if key in sensor.required_resource_keys
        }
        with dg.build_sensor_context(
            instance=self.deployment.instance, cursor=self.cursor, sensor_name="alerts", resources=needed
        ) as context:
            ticked = sensor.evaluate_tick(context)
        self.cursor = ticked.cursor
        return ticked.skip_message


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


def test_a_run_that_dagster_tries_again_is_a_warning_until_that_fails_too(world, receiver):
    """A lost process: nobody is woken by what mends itself."""
    world.tick()
    world.run_fails = True
    world.run()
    [lost] = world.deployment.instance.get_runs()
    world.deployment.instance.add_run_tags(lost.run_id, {WILL_RETRY_TAG: "true"})
    world.tick()
    world.run()
    world.tick()
    told = [one for message in receiver.messages for one in message["attachments"]]
    assert [one["title"] for one in told] == ["WARNING: run of the_job", "ERROR: run of the_job"]
    assert ["once more" in one["text"] for one in told] == [True, False]


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


def test_a_run_that_failed_and_succeeded_within_one_look_is_no_news(world, receiver):
    """Nor is it where the webhook was away in between: nobody would take it back."""
    world.tick()
    world.run_fails = True
    world.run()
    receiver.status = 500
    with pytest.raises(NetworkError):
        world.tick()
    receiver.status = 200
    world.run_fails = False
    world.run()
    assert world.tick() == "0 problems told, 0 resolved; 0 hold on."
    assert receiver.messages == []


def test_a_success_before_a_failure_takes_nothing_back(world, receiver):
    world.tick()
    for fails in (True, False, True):
        world.run_fails = fails
        world.run()
    assert world.tick() == "1 problems told, 0 resolved; 1 hold on."


def test_what_belongs_to_no_day_is_one_problem_until_it_is_green(world, receiver):
    """The calendar ends in two months: told on the first day, and not each day anew."""
    world.tick()
    world.judged = {}
    world.severity = dg.AssetCheckSeverity.WARN
    for _ in range(3):
        world.run()
        world.tick()
    world.severity = None
    world.run()
    world.tick()
    titles = [one["title"] for message in receiver.messages for one in message["attachments"]]
    assert titles == ["WARNING: warehouse/bars: adds_up", "RESOLVED: warehouse/bars: adds_up"]


def test_a_missing_mount_is_told_with_its_variable_and_remedy(world, receiver, mounts):
    """The run ends before its first step, and the sensor runs where the mount is missing, too."""
    world.tick()
    shutil.rmtree(mounts.folder / "universe")
    assert not mounts.run("compact_hours").success
    world.tick()
    [message] = receiver.messages
    [told] = message["attachments"]
    assert told["title"] == "ERROR: run of compact_hours 2026-09-15"
    assert told["text"].startswith("MissingMountError: OBSERVER_SNAPSHOT_DIR names ")
    assert "Mount a volume there, or set OBSERVER_SNAPSHOT_DIR" in told["text"]
    assert told["fields"] == [{"title": "Cause", "value": "configuration", "short": True}]


def test_a_bug_in_a_step_is_told_in_its_own_words(world, receiver):
    world.tick()
    world.run_fails = True
    world.run()
    world.tick()
    [told] = receiver.messages[0]["attachments"]
    assert told["text"].startswith("warehouse__bars: RuntimeError: no luck")
    assert told["fields"] == []


@pytest.mark.parametrize(
    "cursor", ["garbage", "[]", "7", '{"after":{}}', '{"after":{},"problems":{"run x ":{"level":2}}}']
)
def test_a_cursor_of_another_making_is_told_once_and_begun_anew(world, receiver, cursor):
    world.severity = dg.AssetCheckSeverity.ERROR
    world.run()
    world.cursor = cursor
    receiver.status = 500
    with pytest.raises(NetworkError):
        world.tick()
    receiver.status = 200
    assert "begin anew with what happens from now on" in world.tick()
    world.tick()
    world.run()
    world.tick()
    titles = [one["title"] for message in receiver.messages for one in message["attachments"]]
    assert titles == [
        "WARNING: the cursor of the sensor alerts cannot be read",
        "ERROR: warehouse/bars: adds_up 2026-09-15",
    ]


def test_a_cursor_of_a_release_that_read_other_events_is_gone_on_with(world, receiver):
    """What that release read goes on where it was; what it did not read begins now."""
    world.tick()
    kept = json.loads(world.cursor)
    del kept["after"]["PIPELINE_FAILURE"]
    world.cursor = json.dumps({**kept, "after": {**kept["after"], "SOMETHING_ELSE": 3}})
    world.severity = dg.AssetCheckSeverity.ERROR
    world.run()
    assert world.tick() == "1 problems told, 0 resolved; 1 hold on."
    world.run_fails = True
    world.run()
    assert world.tick() == "1 problems told, 0 resolved; 2 hold on."


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
