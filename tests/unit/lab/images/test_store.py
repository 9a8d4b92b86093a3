"""The image store: a layer is made once for its key, the same recipe gives the same image, a failure leaves nothing."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from lab.images.containerd import write_archive
from lab.images.layers import Entry, Layer, Tree
from lab.images.store import Part, Recipe, blob, build


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DCSHIFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def part(key: str, made: list[str]) -> Part:
    def make() -> Layer:
        made.append(key)
        return Layer(entries=(Entry("file", key.encode()),))

    return Part(key, make)


def test_a_layer_is_made_once_for_its_key() -> None:
    made: list[str] = []
    first = build(Recipe(("lab/a:1",), (part("base", made), part("a", made))))
    second = build(Recipe(("lab/b:1",), (part("base", made), part("b", made))))
    assert made == ["base", "a", "b"]
    assert first.blobs[2] == second.blobs[2]


def test_the_same_recipe_gives_the_same_image_and_another_user_another() -> None:
    recipe = Recipe(("lab/a:1",), (part("a", []),))
    assert build(recipe) == build(recipe)
    assert build(Recipe(("lab/a:1",), (part("a", []),), user="26:26")).digest != build(recipe).digest


def test_the_manifest_names_blobs_that_exist_with_their_sizes() -> None:
    image = build(Recipe(("lab/a:1",), (part("a", []),)))
    manifest = json.loads(blob(image.digest).read_text())
    for named in (manifest["config"], *manifest["layers"]):
        assert blob(named["digest"].removeprefix("sha256:")).stat().st_size == named["size"]


def test_a_layer_that_could_not_be_made_leaves_nothing(own_cache: Path) -> None:
    def make() -> Layer:
        return Layer((Tree(Path("/no/such/folder")),))

    with pytest.raises(FileNotFoundError):
        build(Recipe(("lab/a:1",), (Part("broken", make),)))
    assert list((own_cache / "images/blobs/sha256").iterdir()) == []


def test_an_archive_holds_only_blobs_that_the_node_lacks() -> None:
    image = build(Recipe(("lab/a:1", "lab/a:latest"), (part("a", []),)))
    layer = image.blobs[2]
    out = io.BytesIO()
    write_archive(out, [image], {f"sha256:{layer}"})
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        names = archive.getnames()
        index = json.loads(archive.extractfile("index.json").read())  # type: ignore[union-attr]
    assert f"blobs/sha256/{layer}" not in names and f"blobs/sha256/{image.digest}" in names
    named = [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]]
    assert named == ["lab/a:1", "lab/a:latest", f"lab/a@sha256:{image.digest}"]
