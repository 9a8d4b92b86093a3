"""A bucket in use, two real stores: the target is exact or every difference is named, whatever ends the mover."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lab.store_server import Store, store_running
from lab.target import object_store
from migration.movers.bucket_store import PART_BYTES
from migration.movers.objects_plan import CLAIM
from migration.movers.s3 import Bucket
from migration.movers.throttle import BYTES_PER_SECOND_MIN
from tests.support import moving_objects
from tests.support.lying import lying_before
from tests.support.moving_objects import Pair, churn, content, delete, fill, get, listed, make, put

pytestmark = pytest.mark.live
SLOW = 400_000
SLOWEST = str(BYTES_PER_SECOND_MIN)
"""At this limit the first large object waits for minutes, so that a test can do something meanwhile."""


@pytest.fixture
def empty(other_store: Store, store: Store, tmp_path: Path) -> Iterator[Pair]:
    """Two empty buckets; a mover that a failed test left is ended."""
    made = make(other_store, store, tmp_path)
    yield made
    for mover in made.running:
        mover.kill()


@pytest.fixture
def pair(empty: Pair) -> Pair:
    fill(empty.source)
    return empty


@pytest.fixture
def limit(tmp_path: Path) -> Path:
    return tmp_path / "limit"


def ours_aside(bucket: Bucket) -> dict[str, tuple[int, str]]:
    return {key: seen for key, seen in content(bucket).items() if key != CLAIM}


def test_a_bucket_in_use_ends_exact_after_the_last_pass(pair: Pair) -> None:
    changed = []
    with churn(pair.source):
        moved = pair.do(deletions="follow")
        assert moved.code == 0, moved.text
        for number in range(20):
            if number % 5 == 4:
                assert pair.do(deletions="follow").code == 0
            proof = pair.do("--do", "verify").result
            assert (proof["differences"], number) == ([], number), "nothing was planted"
            changed.append(proof["figures"]["changed_meanwhile"])
        again = pair.do(deletions="follow").result
    assert sum(changed) > 20, "nobody wrote: the test proves nothing"
    assert moved.result["carried"] >= 130
    assert moved.result["forecast_touched"] < 130
    assert 0 <= moved.result["forecast_seconds"] < moved.result["seconds"]
    assert again["kept"] == 0
    last = pair.do("--do", "last", deletions="follow")
    assert last.code == 0, last.text
    for words in (["--do", "verify"], ["--do", "verify-full"]):
        proved = pair.do(*words, "--frozen", deletions="follow")
        assert (proved.code, proved.result["differences"]) == (0, []), proved.text
    assert proved.result["figures"]["read"] == len(listed(pair.source))
    assert ours_aside(pair.target) == content(pair.source)
    for key in ("described.pdf", "packed.txt", "large.bin", "thư mục/"):
        # As raw bytes: who carries packed bytes unpacked has carried something else.
        here, there = (side.request("HEAD", key).headers for side in (pair.source, pair.target))
        for name in moving_objects.DESCRIBED.keys() | {"content-encoding", "content-length"}:
            assert here.get(name) == there.get(name), (key, name)
    tags = pair.target.request("GET", "described.pdf", query={"tagging": ""}).text
    assert "<Key>loai</Key><Value>don</Value>" in tags
    assert pair.do("--do", "last").result["repeated"]
    refused = pair.do()
    assert (refused.code, refused.error["code"]) == (1, "objects-handed-over")
    assert pair.do("--do", "take-back").code == 0
    assert pair.do(deletions="follow").result["carried"] == 0


def test_a_second_pass_over_an_unchanged_bucket_sends_nothing(pair: Pair) -> None:
    first = pair.do().result
    again = pair.do().result
    assert (again["carried"], again["carried_bytes"], again["kept"], again["passes"]) == (0, 0, 0, 1)
    assert again["last_pass_seconds"] < first["last_pass_seconds"] + 2.0
    assert (again["objects"], again["bytes"]) == (first["objects"], first["bytes"])


def test_a_mover_killed_at_any_moment_goes_on_and_ends_exact(pair: Pair, limit: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    limit.write_text("8000000")
    for number in range(3):
        mover = pair.begin(limit_file=limit)
        mover.until("listing")
        time.sleep(chance.uniform(0.0, 2.5))
        mover.kill()
        put(pair.source, f"ho-so/00/tệp số {7 * number}.pdf", f"changed {number}".encode())
    assert pair.do().code == 0
    assert pair.do("--do", "last").code == 0
    assert pair.verified_in_full("--frozen") == []
    assert "<Upload>" not in uploads(pair.target)


def test_parts_of_a_killed_mover_are_thrown_away(empty: Pair, limit: Path) -> None:
    put_large(empty.source, 18)
    limit.write_text("4000000")
    mover = empty.begin(limit_file=limit)
    end = time.monotonic() + 60
    while "<Upload>" not in uploads(empty.target) and time.monotonic() < end:
        time.sleep(0.05)
    mover.kill()
    assert "<Upload>" in uploads(empty.target)
    assert empty.do().result["ended_uploads"] == 1
    assert "<Upload>" not in uploads(empty.target)
    assert empty.verified_in_full("--frozen") == []


def uploads(bucket: Bucket) -> str:
    return bucket.request("GET", "", query={"uploads": ""}).text


def put_large(bucket: Bucket, mebibytes: int, seed: int = 1, key: str = "large.bin") -> bytes:
    made = random.Random(seed).randbytes(mebibytes * 1024 * 1024)
    moving_objects.put_in_parts(bucket, key, made, 6 * 1024 * 1024)
    return made


def test_the_limit_holds_and_is_lifted_in_the_middle(empty: Pair, limit: Path) -> None:
    fill(empty.source, 10)
    limit.write_text(str(SLOW))
    began = time.monotonic()
    mover = empty.begin(limit_file=limit)
    mover.until("seconds_left")
    time.sleep(3.0)
    assert mover.process.poll() is None
    limit.write_text("")
    said = mover.end()
    assert said.code == 0, said.text
    assert time.monotonic() - began < 18 * 1024 * 1024 / SLOW
    slow = [line for line in said.progress if line.get("seconds_left", 0) > 10]
    assert slow, said.text
    assert {"objects_done", "objects_total", "done", "total", "rate_per_second"} <= slow[0].keys()
    assert said.progress[-1]["done"] == said.progress[-1]["total"]
    assert empty.verified_in_full("--frozen") == []


def test_a_second_mover_and_one_of_an_earlier_turn_are_refused(empty: Pair, limit: Path, tmp_path: Path) -> None:
    fill(empty.source, 10)
    limit.write_text(SLOWEST)
    mover = empty.begin(limit_file=limit)
    mover.until('"what": "objects"')
    assert empty.do(token=6).error["code"] == "mover-at-work"
    # As the mover of a later turn on another machine: it shares nothing with the first but the bucket.
    claim = json.loads(get(empty.target, CLAIM).content) | {"token": 9}
    put(empty.target, CLAIM, json.dumps(claim).encode())
    limit.write_text("")
    said = mover.end()
    assert said.error["code"] == "turn-over", said.text
    stale = empty.do()
    assert (stale.code, stale.error["code"]) == (1, "turn-over")
    assert empty.do(token=9).code == 0
    other = empty.do(token=10, name="templates", staging=tmp_path / "other")
    assert other.error["code"] == "target-of-another-system"


@pytest.mark.parametrize("side", ["source", "target"])
def test_wrong_keys_are_an_error_that_names_the_side_and_no_key(side: str, empty: Pair) -> None:
    put(empty.source, "a", b"x")
    right: Bucket = getattr(empty.job, side)
    wrong = Bucket(right.endpoint, right.region, right.name, right.access_key, "wr0ng-s3cret")
    said = empty.do(**{side: wrong})
    assert (said.code, right.name in str(said.error)) == (1, True)
    assert (said.error["code"], side in said.error["what"]) == ("object-not-read", True)
    assert "wr0ng-s3cret" not in said.text
    checked = empty.do("--do", "check", **{side: wrong})
    assert checked.code == 3
    blockers = [one["code"] for one in checked.result["findings"] if one["severity"] == "blocker"]
    assert blockers == ["bucket-not-read" if side == "source" else "bucket-not-writable"]
    proved = empty.do("--do", "verify", **{side: wrong})
    assert proved.code == 1
    assert "could not be made" in proved.result["differences"][0]


def test_a_source_that_dies_in_the_middle_is_an_error_and_nothing_is_half_written(
    store: Store, tmp_path: Path, limit: Path
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="dcshift-store-", ignore_cleanup_errors=True) as folder,
        store_running(Path(folder)) as dying,
    ):
        pair = make(dying, store, tmp_path)
        fill(pair.source, 40)
        limit.write_text(SLOWEST)
        argv = psutil.Process(dying.pid).cmdline()
        mover = pair.begin(limit_file=limit)
        mover.until('"what": "objects"')
        psutil.Process(dying.pid).kill()
        limit.write_text("")
        said = mover.end()
        assert (said.code, said.error["code"] in ("object-not-read", "store-not-listed")) == (1, True), said.text
        assert "large.bin" not in listed(pair.target)
        with (Path(folder) / "log").open("ab") as log:
            again = subprocess.Popen(argv, stdout=log, stderr=log, env={"HOME": folder}, start_new_session=True)
        try:
            end = time.monotonic() + 60
            while not object_store.refuses_strangers(dying.endpoint) and time.monotonic() < end:
                time.sleep(0.2)
            assert pair.do().code == 0
            assert pair.verified_in_full("--frozen") == []
        finally:
            again.kill()  # told to end, it sometimes takes longer than anybody waits, and its folder goes anyway
            again.wait(20)


def test_an_object_that_changes_while_it_is_read_is_read_again(empty: Pair, limit: Path) -> None:
    put_large(empty.source, 18)
    limit.write_text(SLOWEST)
    mover = empty.begin(limit_file=limit, passes_max=1)
    mover.until('"what": "objects"')
    made = put_large(empty.source, 17, seed=2)
    limit.write_text("")
    said = mover.end()
    assert said.result["changed_while_read"] >= 1
    assert get(empty.target, "large.bin").content == made
    assert empty.verified_in_full("--frozen") == []


def test_memory_stays_within_its_bound(empty: Pair) -> None:
    for number in range(3):
        put_large(empty.source, 24, seed=number, key=f"large-{number}")
    for number in range(12):
        put(empty.source, f"medium-{number:02}", random.Random(number).randbytes(4 * 1024 * 1024))
    for words in ([], ["--do", "verify-full", "--frozen"]):
        said = empty.begin(*words, part_bytes=PART_BYTES).end()  # as it is when nobody says otherwise
        facts = said.result if not words else said.result["figures"]
        print(words, "most memory:", facts["memory_bytes_most"] // 2**20, "MiB")
        assert (said.code, facts["memory_bytes_most"] < 300 * 2**20) == (0, True)


def test_what_is_gone_at_the_source_is_told_or_followed(empty: Pair) -> None:
    for key in ("a", "b", "thư mục/"):
        put(empty.source, key)
    empty.do()
    for key in ("a", "thư mục/"):
        delete(empty.source, key)
    told = empty.do().result
    assert (told["gone_count"], told["gone"], told["deleted"]) == (2, ["a", "thư mục/"], 0)
    proved = empty.do("--do", "verify", "--frozen").result
    assert (proved["passed"], proved["figures"]["kept"], "warning: 2" in proved["sentence"]) == (True, 2, True)
    assert "object a: gone at the source, and still at the target" in empty.verified("--frozen", deletions="follow")
    assert empty.do(deletions="follow").result["deleted"] == 2
    assert set(listed(empty.target)) == {"b", CLAIM}
    delete(empty.source, "b")
    vanished = empty.do(deletions="follow")
    assert vanished.error["code"] == "source-objects-vanished"
    assert set(listed(empty.target)) == {"b", CLAIM}


def test_what_others_wrote_at_the_target_is_left_and_named(empty: Pair, tmp_path: Path) -> None:
    for key in ("same", "other", "mine"):
        put(empty.source, key, key.encode())
    put(empty.target, "same", b"same")
    put(empty.target, "other", b"OTHER")
    put(empty.target, "only theirs", b"x")
    checked = empty.do("--do", "check")
    assert "bucket-not-empty" in [one["code"] for one in checked.result["findings"]]
    refused = empty.do()
    assert (refused.error["code"], "other" in refused.error["why"]) == ("target-holds-others", True)
    assert get(empty.target, "other").content == b"OTHER"
    assert get(empty.target, "mine").content == b"mine"
    assert empty.verified_in_full("--frozen") == [
        "object only theirs: only at the target",
        "object other: content differs (read on both sides)",
    ]
    forced = empty.do(overwrite=True).result
    assert (forced["carried"], forced["foreign"]) == (1, 1)
    assert get(empty.target, "other").content == b"other"
    # What somebody changes at the target later is not put back by chance either.
    put(empty.target, "mine", b"MINE")
    assert empty.do().error["code"] == "target-holds-others"
    assert get(empty.target, "mine").content == b"MINE"


def test_a_lost_record_is_made_again_without_sending_again(pair: Pair) -> None:
    first = pair.do().result
    for file in pair.job.staging.iterdir():
        file.unlink()
    again = pair.do().result
    assert (again["carried"], again["kept"]) == (0, first["carried"])


def test_a_damaged_record_says_what_to_do(empty: Pair) -> None:
    put(empty.source, "a", b"x")
    empty.do()
    for file in empty.job.staging.glob("objects.sqlite*"):
        file.unlink()
    (empty.job.staging / "objects.sqlite").write_bytes(b"no database" * 1000)
    assert empty.do().error["code"] == "record-unusable"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_bucket_is_not_carried_into_itself(host: str, empty: Pair) -> None:
    put(empty.source, "a", b"x")
    itself = dataclasses.replace(empty.source, endpoint=empty.source.endpoint.replace("127.0.0.1", host))
    said = empty.do(target=itself)
    assert (said.code, said.error["code"]) == (2, "same-bucket")
    assert set(listed(empty.source)) == {"a"}


def test_a_store_that_takes_wrong_checksums_is_not_trusted(empty: Pair) -> None:
    put(empty.source, "a", b"x")
    with lying_before(empty.target) as (port, lies):
        liar = Bucket(
            f"http://127.0.0.1:{port}", "lab", empty.target.name, empty.target.access_key, empty.target.secret_key
        )
        refused = empty.do(target=liar)
        assert (refused.error["code"], bool(lies)) == ("store-not-trusted", True)
        codes = [one["code"] for one in empty.do("--do", "check", target=liar).result["findings"]]
        assert "store-accepts-wrong-checksum" in codes
    assert listed(empty.target) == {}


def test_what_does_not_come_along_is_a_finding(empty: Pair) -> None:
    put(empty.source, "a", b"x")
    rules = """<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"""
    assert empty.source.request("PUT", "", query={"versioning": ""}, body=rules.encode()).status_code == 200
    findings = empty.do("--do", "check")
    codes = {one["code"] for one in findings.result["findings"]}
    assert (findings.code, {"versioning-not-carried", "not-carried"} <= codes) == (0, True), findings.text
    assert not {"policy-not-carried", "lifecycle-not-carried", "cors-not-carried", "setting-not-read"} & codes


def test_it_is_a_verb_of_the_command_line(empty: Pair) -> None:
    put(empty.source, "a", b"x")
    dcshift = Path(sys.executable).with_name("dcshift")
    argv, job = [dcshift, "move", "objects", "--job", "-"], empty.job.as_json()
    done = subprocess.run(argv, input=job, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["result"]["carried"] == 1
