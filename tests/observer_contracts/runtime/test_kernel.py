"""The kernel's text files are read as proc(5) describes them; the texts are from a pod of k3s."""

import pytest

from observer_contracts.evidence.runtime.kernel import read_mounts, read_status, start_of

STATUS = """\
Name:\tpython
Umask:\t0022
Uid:\t1000\t1000\t1000\t1000
Gid:\t1000\t1000\t1000\t1000
Groups:\t1000 2000
CapInh:\t0000000000000000
CapEff:\t00000000a80425fb
NoNewPrivs:\t1
Seccomp:\t2
"""

MOUNTS = (
    "1201 997 0:141 / / ro,relatime master:404 - overlay overlay ro,lowerdir=/a:/b,upperdir=/c,workdir=/d\n"
    "1202 1201 0:143 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n"
    "1203 1201 8:1 /var/lib/rancher/k3s/storage/pvc-1_observer-prod_observer-data-pvc "
    "/opt/platform/runtime/observer/data rw,relatime - ext4 /dev/sda1 rw,discard\n"
    "1204 1201 8:1 /kubelet/config /opt/platform/runtime/observer/config ro,relatime - ext4 /dev/sda1 rw\n"
    "1205 1201 0:150 / /mnt/with\\040blank rw,relatime - tmpfs tmpfs ro,size=64k\n"
)


def test_status_is_read() -> None:
    """The effective user, group, groups, capabilities and flags are taken."""
    process = read_status(STATUS)
    assert (process.user, process.group, process.groups) == (1000, 1000, (1000, 2000))
    assert process.capabilities == 0xA80425FB
    assert process.no_new_privileges
    assert process.seccomp == 2


def test_the_effective_user_counts() -> None:
    """Of real, effective, saved and file system user the second one is meant."""
    assert read_status(STATUS.replace("Uid:\t1000\t1000", "Uid:\t1000\t0")).user == 0


def test_a_kernel_without_seccomp_does_not_say() -> None:
    """A missing line is no evidence."""
    assert read_status(STATUS.replace("Seccomp:\t2\n", "")).seccomp is None


def test_half_a_status_is_refused() -> None:
    """A text without the needed fields is no evidence at all."""
    with pytest.raises(ValueError, match="Uid"):
        read_status("Name:\tpython\n")


def test_mounts_are_read() -> None:
    """Path, folder of the file system, type and mode of each mount are taken."""
    mounts = {mount.path: mount for mount in read_mounts(MOUNTS)}
    data = mounts["/opt/platform/runtime/observer/data"]
    assert (data.kind, data.source, data.read_only) == ("ext4", "/dev/sda1", False)
    assert data.root.endswith("_observer-data-pvc")
    assert mounts["/"].read_only
    assert mounts["/opt/platform/runtime/observer/config"].read_only


def test_a_read_only_file_system_makes_its_mount_read_only() -> None:
    """Either the mount or the file system below it refuses writes; blanks in names are unescaped."""
    mounts = {mount.path: mount for mount in read_mounts(MOUNTS)}
    assert mounts["/mnt/with blank"].read_only


def test_the_topmost_of_two_mounts_is_seen() -> None:
    """A later mount at the same place hides the earlier one."""
    hidden = "1 0 0:1 / /tmp rw - tmpfs tmpfs rw\n2 1 8:1 / /tmp ro - ext4 /dev/sda1 rw\n"
    [mount] = read_mounts(hidden)
    assert (mount.kind, mount.read_only) == ("ext4", True)


@pytest.mark.parametrize("text", ["nonsense", "1 0 0:1 / /tmp rw tmpfs tmpfs rw", "1 0 - tmpfs tmpfs rw"])
def test_a_broken_line_is_refused(text: str) -> None:
    """No conclusion is drawn from a line of another shape."""
    with pytest.raises(ValueError, match="mountinfo"):
        read_mounts(text)


def test_the_start_is_computed_from_boot() -> None:
    """The 22nd field counts ticks since boot; a name with blanks and brackets does not shift it."""
    fields = " ".join(["S"] + ["0"] * 18 + ["360000"] + ["0"] * 30)
    started = start_of(f"1 (a b) c) {fields}", "7200.00 10000.00", 1_000_000.0, 100)
    assert started == pytest.approx(1_000_000 - 7200 + 3600, abs=0.1)
    assert started < 1_000_000 - 7200 + 3600


def test_a_start_that_is_not_told_is_refused() -> None:
    """Half a line has no start."""
    with pytest.raises(ValueError, match="not told"):
        start_of("1 (python) S 0", "7200.00", 0.0, 100)
