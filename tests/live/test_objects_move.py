"""A bucket in use, two real stores: the target is exact, or every difference is named and what others wrote is left."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from migration.movers.bucket_store import PART_BYTES
from migration.movers.objects_plan import CLAIM
from migration.movers.s3 import Bucket
from tests.support import moving_objects
from tests.support.lying import lying_before
from tests.support.moving_objects import Pair, churn, content, delete, fill, get, listed, put, put_large

pytestmark = pytest.mark.live


@pytest.fixture
def pair(empty: Pair) -> Pair:
    fill(empty.source)
    return empty


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
    assert again["last_pass_seconds"] < first["last_pass_seconds"] + 60.0
    assert (again["objects"], again["bytes"]) == (first["objects"], first["bytes"])


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
