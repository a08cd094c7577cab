"""Folders of the node: fsGroup does nothing there, so the pods that write in them have to tell."""

from typing import Any

import pytest

from observer_contracts.model import Status

CLAIM = "PersistentVolumeClaim/observer-data-pvc"
TIME = "2026-11-23T10:00:00+09:00"


def _status(role: str, verdict: str | None) -> dict[str, Any]:
    contracts = {"verified": True, "rules": {"CTX-004": verdict}} if verdict else {"verified": False}
    slots = [{"symbol": "005930", "last_data": TIME}] if role == "writer" else []
    return {
        "role": role,
        "ready": True,
        "time": TIME,
        "phase": "continuous",
        "slots": slots,
        "contracts": contracts,
    }


@pytest.mark.parametrize(
    ("writer", "standby", "expected"),
    [
        ("PASS", "PASS", Status.PASS),
        ("PASS", None, Status.PASS),
        ("PASS", "FAIL", Status.FAIL),
        (None, None, Status.UNKNOWN),
        ("UNKNOWN", "UNKNOWN", Status.UNKNOWN),
    ],
)
def test_the_pods_tell_whether_they_can_write(
    look: Any, collectors: Any, writer: str | None, standby: str | None, expected: Status
) -> None:
    """What a pod has tried counts; without a word of any pod there is no evidence."""
    collectors.say(0, "/status", 200, _status("writer", writer))
    collectors.say(1, "/status", 200, _status("standby", standby))
    seen = look()
    found = [r for r in seen.of("CTX-004") if r.finding.object == CLAIM]
    assert [r.status for r in found] == [expected]
    assert "on the node" in found[0].finding.expected


def test_a_volume_that_is_no_folder_of_the_node_needs_no_word(
    look: Any, collectors: Any, cluster: Any
) -> None:
    """On every other kind of volume the kubelet gives the files to the group."""
    for volume in cluster.objects["PersistentVolume"]:
        path = volume["spec"].pop("hostPath")["path"]
        volume["spec"]["local"] = {"path": path}
    for number, role in enumerate(("writer", "standby")):
        collectors.say(number, "/status", 200, _status(role, None))
    assert Status.UNKNOWN not in look().statuses("CTX-004")
