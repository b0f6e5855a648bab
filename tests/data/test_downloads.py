"""The downloadable data sets: fetched whole or not at all, used without a network once there, refused in one sentence.

No test reaches the internet: small files in the genuine formats are put where torchvision looks, or are served by a
server of the test's own; torchvision's checksums are replaced by those of the small files.
"""

from __future__ import annotations

import gzip
import hashlib
import http.server
import pickle
import socket
import struct
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from playground.data import downloads
from playground.data.downloads import DOWNLOADS, load_torchvision
from playground.errors import DataError, UsageError

datasets = pytest.importorskip("torchvision.datasets")
KINDS = {name: getattr(datasets, spec.torchvision) for name, spec in DOWNLOADS.items()}
N = 40


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def assert_sentence(text: str, *parts: str) -> None:
    assert text.endswith(".") and "\n" not in text and ". " not in text, text
    for part in parts:
        assert part in text, f"{part!r} is not in {text!r}"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def server(tmp_path):
    """A web server of the files in `server.root`; `server.asked` lists the paths asked for."""
    root = tmp_path / "served"
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(root))

        def log_message(self, *args):
            pass

        def do_GET(self):
            running.asked.append(self.path)
            if self.path.endswith("broken-off.gz"):
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                self.wfile.write(b"x" * 1000)
            else:
                super().do_GET()

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.root, running.asked, running.url = root, [], f"http://127.0.0.1:{running.server_address[1]}/"
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


# ---------------------------------------------------------------------------------------- small files, genuine formats


def idx(values: np.ndarray) -> bytes:
    """The format of MNIST: two zero bytes, type (8: unsigned byte), dimensions, their sizes, the values."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def digits(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (N, 28, 28), dtype=np.uint8), np.arange(N, dtype=np.uint8) % 10


def mnist_files() -> dict[str, bytes]:
    files = {}
    for seed, split in enumerate(("train", "t10k")):
        pixels, labels = digits(seed)
        files[f"{split}-images-idx3-ubyte.gz"] = gzip.compress(idx(pixels), mtime=0)
        files[f"{split}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels), mtime=0)
    return files


def expect_mnist(monkeypatch, kind, files: dict[str, bytes], mirrors: list[str]) -> None:
    monkeypatch.setattr(kind, "resources", [(file, md5(files[file])) for file, _ in kind.resources])
    monkeypatch.setattr(kind, "mirrors", mirrors)


def put_mnist(root: Path, kind, files: dict[str, bytes]) -> Path:
    folder = root / kind.__name__ / "raw"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def cifar_pixels(batch: int) -> np.ndarray:
    return np.random.default_rng(batch).integers(0, 256, (N, 3, 32, 32), dtype=np.uint8)


def cifar_files(monkeypatch) -> dict[str, bytes]:
    kind = KINDS["cifar10"]
    files = {}
    for k, (name, _) in enumerate([*kind.train_list, *kind.test_list]):
        entry = {"data": cifar_pixels(k).reshape(N, 3072), "labels": [(i + k) % 10 for i in range(N)]}
        files[name] = pickle.dumps(entry)
    files[kind.meta["filename"]] = pickle.dumps({"label_names": list(DOWNLOADS["cifar10"].classes)})
    monkeypatch.setattr(kind, "train_list", [[name, md5(files[name])] for name, _ in kind.train_list])
    monkeypatch.setattr(kind, "test_list", [[name, md5(files[name])] for name, _ in kind.test_list])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(files[kind.meta["filename"]])})
    return files


def celeba_files(tmp_path: Path) -> dict[str, bytes]:
    """The five tables and the zip: 30 faces, 20 for training; face i has attribute j where (i + j) % 3 == 0."""
    names = [f"{i:06}.jpg" for i in range(1, 31)]
    attributes = [f"Attribute_{j}" for j in range(40)]
    signs = [[1 if (i + j) % 3 == 0 else -1 for j in range(40)] for i in range(30)]

    def table(rows, header=None) -> bytes:
        head = f"{len(rows)}\n{header}\n" if header else ""
        return (head + "".join(f"{n}  {' '.join(map(str, r))}\n" for n, r in zip(names, rows, strict=True))).encode()

    archive = tmp_path / "img_align_celeba.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for i, name in enumerate(names):
            path = tmp_path / name
            face = Image.new("RGB", (178, 218), (255, 255, 255))  # what the central square leaves out is white
            face.paste((8 * i, 100, 50), (0, 20, 178, 198))
            face.save(path, quality=95)
            packed.write(path, f"img_align_celeba/{name}")
    return {
        "img_align_celeba.zip": archive.read_bytes(),
        "list_attr_celeba.txt": table(signs, " ".join(attributes) + " "),  # the genuine line ends in a space too
        "identity_CelebA.txt": table([[i] for i in range(30)]),
        "list_bbox_celeba.txt": table([[0, 0, 9, 9]] * 30, "image_id x_1 y_1 width height"),
        "list_landmarks_align_celeba.txt": table([[0] * 10] * 30, " ".join(f"p{i}" for i in range(10))),
        "list_eval_partition.txt": table([[0 if i < 20 else 1 if i < 25 else 2] for i in range(30)]),
    }


def expect_celeba(monkeypatch, files: dict[str, bytes]) -> None:
    kind = KINDS["celeba"]
    monkeypatch.setattr(kind, "file_list", [(drive, md5(files[name]), name) for drive, _, name in kind.file_list])


# ------------------------------------------------------------------------------------------------------------- loading


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("state", ["packed", "unpacked"])
def test_digits_on_disk_need_no_network(tmp_path, monkeypatch, closed_port, name, state):
    kind, files = KINDS[name], mnist_files()
    expect_mnist(monkeypatch, kind, files, [f"http://127.0.0.1:{closed_port}/"])
    if state == "unpacked":
        files = {Path(file).stem: gzip.decompress(data) for file, data in files.items()}
    put_mnist(tmp_path, kind, files)
    for seed, split in enumerate(("train", "test")):
        pixels, labels = digits(seed)
        store = load_torchvision(name, size=28, data_dir=tmp_path, split=split)
        assert np.array_equal(store.pixels[..., 0].numpy(), pixels) and store.labels.tolist() == labels.tolist()
        info = store.info
        assert (info.name, info.channels, info.count) == (name, 1, N) and info.classes == DOWNLOADS[name].classes
        assert info.licence == DOWNLOADS[name].licence
    assert load_torchvision(name, data_dir=str(tmp_path)).info.size == 32
    assert not list(tmp_path.rglob("*.part"))


def test_scaling_keeps_the_picture(tmp_path, monkeypatch):
    """A ramp stays the same ramp at any size, and a fine checkerboard becomes grey rather than noise."""
    ramp = np.tile(np.linspace(0, 255, 28).astype(np.uint8), (28, 1))
    board = (np.indices((28, 28)).sum(axis=0) % 2 * 255).astype(np.uint8)
    pixels = np.stack([ramp, board] * 750)  # more than one piece
    files = {
        file: gzip.compress(idx(pixels if "images" in file else np.zeros(1500, np.uint8)), mtime=0)
        for file, _ in KINDS["mnist"].resources
    }
    expect_mnist(monkeypatch, KINDS["mnist"], files, [])
    put_mnist(tmp_path, KINDS["mnist"], files)
    seen = []
    store = load_torchvision("mnist", data_dir=tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert store.pixels.is_contiguous() and seen[-1] == (1500, 1500)
    wanted = np.interp((np.arange(32) + 0.5) * 28 / 32 - 0.5, np.arange(28), ramp[0])
    assert np.abs(store.pixels[-2, 16, :, 0].numpy() - wanted).max() <= 3
    small = load_torchvision("mnist", size=7, data_dir=tmp_path, max_images=4)
    assert len(small) == 4 and np.abs(small.pixels[-1, 1:-1, 1:-1].numpy() - 127.5).max() <= 8


@pytest.mark.parametrize("size", [32, 16])
def test_cifar_on_disk(tmp_path, monkeypatch, closed_port, size):
    files = cifar_files(monkeypatch)
    monkeypatch.setattr(KINDS["cifar10"], "url", f"http://127.0.0.1:{closed_port}/cifar-10-python.tar.gz")
    folder = tmp_path / KINDS["cifar10"].base_folder
    folder.mkdir()
    for file, data in files.items():
        (folder / file).write_bytes(data)
    store = load_torchvision("cifar10", size=size, data_dir=tmp_path)
    assert store.info.count == 5 * N and store.info.classes[3] == "cat" and store.pixels.is_contiguous()
    assert store.labels[N : N + 3].tolist() == [1, 2, 3]
    wanted = cifar_pixels(1)[2].transpose(1, 2, 0)  # the second batch, its third picture
    if size == 32:
        assert np.array_equal(store.pixels[N + 2].numpy(), wanted)
    else:
        assert abs(store.pixels[N + 2].float().mean() - wanted.mean()) < 2
    test = load_torchvision("cifar10", data_dir=tmp_path, split="test", max_images=10)
    assert test.info.count == 10 and "test split" in test.info.notes[-1]
    # A file changed on disk is noticed by its checksum, and fetching is tried.
    (folder / "data_batch_2").write_bytes(b"half")
    with pytest.raises(DataError) as caught:
        load_torchvision("cifar10", data_dir=tmp_path)
    assert_sentence(str(caught.value), "cifar10")


def test_celeba_put_there_by_hand(tmp_path, monkeypatch):
    files = celeba_files(tmp_path)
    expect_celeba(monkeypatch, files)
    folder = tmp_path / "data" / "celeba"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    store = load_torchvision("celeba", data_dir=tmp_path / "data")
    info = store.info
    assert (info.count, info.size, info.channels, info.classes) == (20, 64, 3, ()) and store.labels is None
    assert len(info.attributes) == 40 and info.attributes[7] == "Attribute_7"
    wanted = torch.tensor([[float((i + j) % 3 == 0) for j in range(40)] for i in range(20)])
    assert torch.equal(store.attributes, wanted)
    assert (store.pixels[:, 32, 32, 0].int() - 8 * torch.arange(20)).abs().max() <= 3
    assert store.pixels[..., 1].max() < 130  # nothing of the white above and below the central square
    assert {p.name for p in folder.iterdir()} == {*files, "img_align_celeba"}
    (folder / "img_align_celeba.zip").unlink()  # the unpacked folder is enough
    some = load_torchvision("celeba", size=16, data_dir=tmp_path / "data", split="all", max_images=7)
    assert some.info.count == 7 and some.attributes[-1, 1] == 1  # the thirtieth, i = 29
    (folder / "img_align_celeba" / "000003.jpg").unlink()
    with pytest.raises(DataError) as caught:
        load_torchvision("celeba", data_dir=tmp_path / "data")
    assert_sentence(str(caught.value), "1 of the 20", "'000003.jpg'")


# ------------------------------------------------------------------------------------------------------------ fetching


def test_digits_are_fetched_checked_and_kept(tmp_path, monkeypatch, server, closed_port):
    kind, files = KINDS["mnist"], mnist_files()
    for name, data in files.items():
        (server.root / name).write_bytes(data)
    expect_mnist(monkeypatch, kind, files, [f"http://127.0.0.1:{closed_port}/", server.url])  # the first mirror is down
    seen = []
    store = load_torchvision("mnist", data_dir=tmp_path / "new", progress=lambda *step: seen.append(step))
    assert np.array_equal(load_torchvision("mnist", size=28, data_dir=tmp_path / "new").pixels[..., 0], digits(0)[0])
    assert sorted(server.asked) == sorted(f"/{name}" for name in files)  # the second load asked for nothing
    assert 0 < seen[0][0] <= seen[0][1] and seen[-1] == (N, N) and len(store) == N
    kept = {p.name for p in (tmp_path / "new" / "MNIST" / "raw").iterdir()}
    assert kept == set(files) | {Path(name).stem for name in files}


def test_cifar_is_fetched_and_unpacked(tmp_path, monkeypatch, server):
    kind, files = KINDS["cifar10"], cifar_files(monkeypatch)
    source = tmp_path / kind.base_folder
    source.mkdir()
    for file, data in files.items():
        (source / file).write_bytes(data)
    with tarfile.open(server.root / kind.filename, "w:gz") as archive:
        archive.add(source, kind.base_folder)
    monkeypatch.setattr(kind, "url", server.url + kind.filename)
    monkeypatch.setattr(kind, "tgz_md5", md5((server.root / kind.filename).read_bytes()))
    for _ in range(2):
        assert load_torchvision("cifar10", data_dir=tmp_path / "new").info.count == 5 * N
    assert server.asked == [f"/{kind.filename}"]


def test_celeba_is_fetched(tmp_path, monkeypatch, server):
    files = celeba_files(tmp_path)
    expect_celeba(monkeypatch, files)
    for drive, _, name in KINDS["celeba"].file_list:
        (server.root / drive).write_bytes(files[name])
    monkeypatch.setattr(downloads, "_DRIVE", server.url + "{}")
    assert load_torchvision("celeba", data_dir=tmp_path / "new", split="valid").info.count == 5
    assert len(server.asked) == 6
    (server.root / "page.html").write_text("<html>Too many users have downloaded this file recently.</html>")
    monkeypatch.setattr(downloads, "_DRIVE", server.url + "page.html?{}")
    with pytest.raises(DataError) as caught:
        load_torchvision("celeba", data_dir=tmp_path / "other")
    folder = tmp_path / "other" / "celeba"
    assert_sentence(
        str(caught.value).replace(str(folder), "FOLDER"), "'celeba'", "quota", "img_align_celeba.zip", "FOLDER"
    )
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "fault, part",
    [("wrong content", "damaged or different"), ("missing", "error 404"), ("broken off", "broke off")],
)
def test_a_bad_download_leaves_nothing_behind(tmp_path, monkeypatch, server, fault, part):
    kind, files = KINDS["mnist"], mnist_files()
    expect_mnist(monkeypatch, kind, files, [server.url])
    if fault == "wrong content":
        for name, data in files.items():
            (server.root / name).write_bytes(data[:-9])
    if fault == "broken off":
        monkeypatch.setattr(kind, "resources", [("broken-off.gz", "0" * 32)])
    with pytest.raises(DataError) as caught:
        load_torchvision("mnist", data_dir=tmp_path / "new")
    assert_sentence(str(caught.value), "Could not download 'mnist'", part, "127.0.0.1", "'faces'", "--data PATH")
    assert not [p for p in (tmp_path / "new").rglob("*") if p.is_file()]


def test_stopping_a_download_leaves_nothing_behind(tmp_path, monkeypatch, server):
    kind, files = KINDS["mnist"], mnist_files()
    expect_mnist(monkeypatch, kind, files, [server.url])
    for name, data in files.items():
        (server.root / name).write_bytes(data)

    class StopError(RuntimeError):
        pass

    def stop(done, total):
        raise StopError

    with pytest.raises(StopError):
        load_torchvision("mnist", data_dir=tmp_path / "new", progress=stop)
    assert not [p for p in (tmp_path / "new").rglob("*") if p.is_file()]
    put_mnist(tmp_path / "here", kind, files)
    with pytest.raises(StopError):  # and while the pictures are prepared
        load_torchvision("mnist", data_dir=tmp_path / "here", progress=stop)


# ------------------------------------------------------------------------------------------------------------ refusals


def offline(monkeypatch, address: str) -> None:
    for name in ("mnist", "fashion-mnist"):
        monkeypatch.setattr(KINDS[name], "mirrors", [address])
    monkeypatch.setattr(KINDS["cifar10"], "url", address + "cifar-10-python.tar.gz")
    monkeypatch.setattr(downloads, "_DRIVE", address + "{}")


@pytest.mark.parametrize(
    "name, host", [*((name, "127.0.0.1") for name in DOWNLOADS), ("mnist", "no-such-host.invalid")]
)
def test_without_a_connection(tmp_path, monkeypatch, closed_port, name, host):
    offline(monkeypatch, f"http://{host}:{closed_port}/")
    with pytest.raises(DataError) as caught:
        load_torchvision(name, data_dir=tmp_path)
    alternative = ["'faces'", "celeba'", "by hand"] if name == "celeba" else ["'faces' or 'shapes'", "--data PATH"]
    assert_sentence(
        str(caught.value).replace("://mmlab.ie", ""),
        f"Could not download '{name}' (no connection to {host})",
        *alternative,
    )
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_host_that_never_answers_is_given_up(tmp_path, monkeypatch):
    """A server whose queue is full neither accepts nor refuses; the limit holds over all mirrors' addresses."""
    monkeypatch.setattr(downloads, "CONNECT_SECONDS", 0.4)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        port = silent.getsockname()[1]
        waiting = []
        for _ in range(8):  # fill its queue
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(("127.0.0.1", port))
        offline(monkeypatch, f"http://127.0.0.1:{port}/")
        with pytest.raises(DataError, match="no connection to"):
            load_torchvision("cifar10", data_dir=tmp_path)
        for client in waiting:
            client.close()


def test_wrong_names_and_values(tmp_path):
    with pytest.raises(UsageError, match="fashion-mnist"):
        load_torchvision("fashon-mnist", data_dir=tmp_path)
    with pytest.raises(UsageError, match="split of mnist"):
        load_torchvision("mnist", data_dir=tmp_path, split="valid")
    for options in ({"size": 0}, {"size": 2.5}, {"size": 10**6}, {"max_images": 1}):
        with pytest.raises(UsageError, match=next(iter(options))):
            load_torchvision("mnist", data_dir=tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_data_folder_that_can_not_be_written(tmp_path, monkeypatch, closed_port):
    offline(monkeypatch, f"http://127.0.0.1:{closed_port}/")
    (tmp_path / "file").write_bytes(b"")
    for name in DOWNLOADS:
        with pytest.raises(DataError) as caught:
            load_torchvision(name, data_dir=tmp_path / "file")
        assert_sentence(str(caught.value).replace(str(tmp_path), ""), f"'{name}'", "file", "--data-dir")


def test_damaged_files_on_disk(tmp_path, monkeypatch):
    kind, files = KINDS["mnist"], mnist_files()
    expect_mnist(monkeypatch, kind, files, [])
    unpacked = {Path(file).stem: gzip.decompress(data) for file, data in files.items()}
    for k, damage in enumerate((b"", b"\0\0\x08\x03", unpacked["train-images-idx3-ubyte"][:-50])):
        put_mnist(tmp_path / str(k), kind, {**unpacked, "train-images-idx3-ubyte": damage})
        with pytest.raises(DataError) as caught:
            load_torchvision("mnist", data_dir=tmp_path / str(k))
        assert_sentence(str(caught.value), "'mnist'", "MNIST", "damaged", "delete")
    labels = idx(np.full(N, 99, np.uint8))
    put_mnist(tmp_path / "labels", kind, {**unpacked, "train-labels-idx1-ubyte": labels})
    with pytest.raises(DataError, match="damaged"):
        load_torchvision("mnist", data_dir=tmp_path / "labels")


def test_the_table_agrees_with_torchvision():
    for name, spec in DOWNLOADS.items():
        kind = KINDS[name]
        assert spec.title and spec.licence and spec.source and spec.megabytes > 0 and spec.size in (32, 64)
        assert len(spec.classes) == (0 if name == "celeba" else 10) and (spec.attributes == 40) == (name == "celeba")
        for ours, theirs in zip(spec.classes, getattr(kind, "classes", spec.classes), strict=False):
            assert ours.lower() in theirs.lower()  # "0" of "0 - zero", "T-shirt" of "T-shirt/top"
