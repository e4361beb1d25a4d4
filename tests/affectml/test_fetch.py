"""`affectml import fetch` against a local server that does what servers on the internet do."""

import asyncio
import csv
import hashlib
import io
import ipaddress
import json
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpcore
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import affectml
from affectml.data import Dataset, DatasetMeta, write_dataset
from affectml.errors import BadDataset, BadInput
from affectml.fetching import FetchConfig
from affectml.fetching._download import Failed, _trusted, checked_url, is_public

from .checks import files_of, refused

QUICK = {"delay": 0.0, "max_wait": 0.01, "tries": 3}
NAMES = {
    "photos.example": ["93.184.216.34"],
    "other.example": ["8.8.8.8"],
    "inward.example": ["127.0.0.1"],
    "mixed.example": ["8.8.8.8", "10.0.0.1"],
}


def picture(seed, kind="PNG", size=(20, 16)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


class Server(ThreadingHTTPServer):
    """`pages[path] = page`: a page is called with the handler and what number of request of its path this is."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.asked, self.log = {}, Counter(), []
        self.lock, self.over = threading.Lock(), threading.Event()

    def handle_error(self, request, client_address):
        pass  # clients that leave are what is tested

    def serves(self, path, content, **headers):
        self.pages[path] = answering(200, content, **headers)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        with server.lock:
            server.asked[self.path] += 1
            count = server.asked[self.path]
            server.log.append((time.monotonic(), self.path, dict(self.headers)))
        page = server.pages.get(self.path, lambda handler, _: handler.answer(404, b"gone"))
        page(self, count)

    def answer(self, status, content=b"", **headers):
        self.begin(status, **{"content_length": len(content), **headers})
        self.wfile.write(content)

    def begin(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def reset(self):
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def running():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(running, monkeypatch):
    """The server, reached by every name in NAMES and by every address that a connection is made to."""
    running.pages.clear()
    running.asked.clear()
    running.log.clear()
    running.over.clear()
    running.reached, running.looked_up = [], []
    ask_the_system = socket.getaddrinfo

    def lookup(host, port, *rest, **more):
        host = host.decode() if isinstance(host, bytes) else host
        if host in NAMES:
            running.looked_up.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in NAMES[host]]
        if any(letter in "ghijklmnopqrstuvwyz" for letter in host):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask_the_system(host, port, *rest, **more)

    connect = httpcore.AnyIOBackend.connect_tcp

    async def reach(self, host, port, *rest, **more):
        running.reached.append(host)
        return await connect(self, "127.0.0.1", running.server_port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", reach)
    yield running
    running.over.set()


@pytest.fixture
def listing(tmp_path, server):
    """`listing(urls)`: a data set of these urls, a path standing for one at photos.example.

    Of a dict the server has what is listed: by path a page, or the content of one.
    """

    def make(urls, **columns):
        for path, page in urls.items() if isinstance(urls, dict) else ():
            server.pages[path] = page if callable(page) else answering(200, page)
        whole = [f"http://photos.example{url}" if url.startswith("/") else url for url in urls]
        table = pd.DataFrame({"image_id": [f"i{n}" for n in range(len(urls))], "url": whole, **columns})
        write_dataset(tmp_path / "mydata", DatasetMeta(name="mydata"), table, {})
        return tmp_path / "mydata"

    return make


def failures(folder):
    path = folder / "fetch-failures.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []


def kind_of(failure):
    return failure["reason"].partition(":")[0], failure["again"]


def answering(status, content=b"", **headers):
    return lambda handler, _: handler.answer(status, content, **headers)


def redirecting(to, status=302):
    return answering(status, location=to)


def only_failures(folder, **options):
    """What did not come of a download of which nothing came, by image."""
    affectml.fetch(folder, **{**QUICK, **options})
    assert not (folder / "images").exists() or not any((folder / "images").rglob("*.*"))
    assert not (folder / ".fetching").exists()
    return {failure["image_id"]: failure for failure in failures(folder)}


# What comes


def test_pictures_are_named_after_their_content_and_everything_else_stays(server, listing):
    contents = [picture(1), picture(2, "JPEG"), picture(3, "WEBP")]
    for n, content in enumerate(contents):
        server.serves(f"/{n}", content, content_type="text/plain")
    mine = [None, None, None, "images/mine.png"]
    folder = listing(["/0", "/1", "/2", "/3"], file=mine, votes=pd.array([1, None, 3, 4], dtype="Int64"))
    before = pd.read_parquet(folder / "images.parquet")
    summary = affectml.fetch(folder, **QUICK)

    after = pd.read_parquet(folder / "images.parquet")
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    assert after["sha256"].dropna().tolist() == digests
    assert after["sha256"].isna().tolist() == [False, False, False, True]
    expected = [f"images/{d[:2]}/{d}{suffix}" for d, suffix in zip(digests, (".png", ".jpg", ".webp"), strict=True)]
    assert after["file"].tolist() == [*expected, "images/mine.png"]
    assert [(folder / file).read_bytes() for file in expected] == contents
    pd.testing.assert_frame_equal(after[["image_id", "url", "votes"]], before[["image_id", "url", "votes"]])
    assert (summary.urls, summary.images, summary.no_url, len(summary.failures)) == (3, 3, 0, 0)
    assert {path.name for path in folder.iterdir()} == {".fetch.lock", "dataset.json", "images", "images.parquet"}

    assert (affectml.fetch(folder, **QUICK).urls, server.asked.total()) == (0, 3)


def test_a_url_in_several_rows_is_asked_for_once(server, listing):
    server.serves("/a", picture(1))
    folder = listing(["/a", "/missing", "/a", "/missing#part"])
    summary = affectml.fetch(folder, **QUICK)
    files = pd.read_parquet(folder / "images.parquet")["file"]
    assert server.asked == {"/a": 1, "/missing": 2}
    assert files[0] == files[2]
    assert (summary.urls, summary.images) == (1, 2)
    assert [row["image_id"] for row in failures(folder)] == ["i1", "i3"]


def test_a_picture_is_asked_for_by_all_of_its_address(server, listing):
    server.serves(path := "/a;b=1/c;d?e=;f&g=%2F", picture(1))
    assert affectml.fetch(listing([f"{path}#h"]), **QUICK).images == 1


def test_what_is_asked_says_who_asks_and_takes_no_cookie_and_no_compression(server, listing):
    folder = listing({path: answering(200, picture(1), set_cookie="id=7") for path in ("/a", "/b")})
    affectml.fetch(folder, **QUICK, per_host=1, contact="me@example.org")
    for _, _, headers in server.log:
        assert headers["User-Agent"] == f"affectml/{affectml.__version__} (me@example.org)"
        assert headers["Accept-Encoding"] == "identity"
        assert "Cookie" not in headers


def test_a_hash_that_is_listed_must_be_that_of_what_comes(server, listing):
    right = hashlib.sha256(picture(0)).hexdigest()
    folder = listing({f"/{n}": picture(n) for n in (0, 1)}, sha256=[right.upper(), right])
    assert affectml.fetch(folder, **QUICK).images == 1
    assert {row["image_id"]: kind_of(row) for row in failures(folder)} == {"i1": ("another picture", "no")}


# What does not come

HTML = b"<!DOCTYPE html><title>photo</title>"


def endless(handler, _):
    handler.begin(200)
    while not handler.server.over.is_set():
        handler.wfile.write(bytes(65536))


def reset(handler, _):
    handler.begin(200, content_length=len(picture(1)))
    handler.wfile.write(picture(1)[:500])
    handler.reset()


def closing(sent=None, **headers):
    def page(handler, _):
        handler.begin(200, **headers)
        handler.wfile.write(picture(1)[:sent])
        handler.close()

    return page


promises_more, ends_early = closing(content_length=5000), closing(400, connection="close")


def trickling(start):
    def page(handler, _):
        handler.wfile.write(start)
        while not handler.server.over.wait(0.02):
            handler.wfile.write(b"a")

    return page


NO_PICTURES = [  # content, how the reason begins
    (HTML, "not an image: starts with b'<!DOCTYPE html>"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image: starts with"),
    (b"\xef\xbb\xbf<?xml version='1.0'?><svg/>", "not an image: starts with"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image: starts with"),
    (b"", "not an image: empty"),
    (picture(1, size=(16, 16))[:400], "unreadable image: cannot be read whole"),
    (b"P6 30000 30000 255\n", "unreadable image: Image size (900000000 pixels)"),
    (picture(1, size=(400, 400)), "too large: more than 262,144 bytes"),
]
NOT_COMING = [  # page, how the reason begins, whether it is worth another try, requests
    *((answering(200, content, content_type="image/jpeg"), reason, "no", 1) for content, reason in NO_PICTURES),
    (endless, "too large", "no", 1),
    (reset, "connection failed", "yes", 3),
    (promises_more, "connection failed", "yes", 3),
    (closing(content_length=400), "unreadable image", "no", 1),
    (ends_early, "unreadable image", "yes", 3),
    *((answering(status), f"status {status}", "no", 1) for status in (204, 304, 401, 403, 404, 410)),
    *((answering(status), f"status {status}", "yes", 3) for status in (408, 429, 500, 502)),
]
STALLING = [
    (lambda handler, _: handler.server.over.wait(), "connection failed", "yes", 3),
    (trickling(b"HTTP/1.1 200 OK\r\nX-Slow: "), "too slow", "yes", 1),
    (trickling(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"), "too slow", "yes", 1),
]


@pytest.mark.parametrize(("pages", "limits"), [(NOT_COMING, {}), (STALLING, {"timeout": 0.1, "deadline": 1.0})])
def test_what_does_not_come_leaves_nothing_behind_and_says_why_and_whether_to_try_again(server, listing, pages, limits):
    """What is no picture whatever it is called, a server that breaks off, lies or stalls, and what it answers."""
    folder = listing({f"/{n}.jpg": page for n, (page, *_) in enumerate(pages)})
    missing = only_failures(folder, max_mb=0.25, per_host=8, **limits)
    for n, (failure, (_, reason, *expected)) in enumerate(zip(missing.values(), pages, strict=True)):
        assert failure["reason"].startswith(reason)
        assert [failure["again"], server.asked[f"/{n}.jpg"]] == expected


def test_what_fails_in_passing_comes_at_the_next_try(server, listing):
    for first in (reset, promises_more, ends_early, answering(500)):
        pages = [None, first, answering(200, picture(1))]
        server.pages[f"/{len(server.pages)}"] = lambda handler, n, pages=pages: pages[n](handler, n)
    folder = listing(list(server.pages))
    assert affectml.fetch(folder, **QUICK).images == 4
    assert set(server.asked.values()) == {2}
    assert not failures(folder)


# Manners


def test_a_pause_that_a_host_asks_for_is_kept_for_all_of_its_images(server, listing):
    def page(handler, count):
        first = count == 1 and handler.server.asked.total() == 1
        handler.answer(503, retry_after=1) if first else handler.answer(200, picture(1))

    assert affectml.fetch(listing({"/a": page, "/b": page}), **QUICK | {"max_wait": 1.1}, per_host=1).images == 2
    first, second, _ = (when for when, _, _ in server.log)
    assert second - first >= 0.95


@pytest.mark.parametrize("pause", ["3600", "Wed, 21 Oct 2065 07:28:00 GMT"])
def test_a_host_that_asks_for_a_long_pause_is_put_off_to_the_next_run(server, listing, pause):
    server.pages.update({f"/{n}": answering(429, retry_after=pause) for n in range(6)})
    server.serves("/there", picture(1))
    folder = listing([*(f"/{n}" for n in range(6)), "http://other.example/there"])
    assert affectml.fetch(folder, **QUICK, per_host=1).images == 1
    assert server.asked.total() == 2
    assert [kind_of(failure) for failure in failures(folder)] == [("host put off", "yes")] * 6


def test_a_host_that_never_answers_does_not_hold_up_the_rest(server, listing):
    folder = listing([f"http://nowhere.example/{n}" for n in range(40)])
    affectml.fetch(folder, **QUICK, per_host=1)
    reasons = Counter(map(kind_of, failures(folder)))
    assert reasons == {("no such host", "yes"): 3, ("host put off", "yes"): 37}


def test_no_more_than_so_many_requests_at_a_time_to_a_host_from_wherever(server, listing, monkeypatch):
    two, three, thirds = threading.Barrier(2), threading.Barrier(3), []

    def there(handler, _):
        two.wait()
        with suppress(threading.BrokenBarrierError):
            thirds.append(three.wait(0.3))
        handler.answer(200, picture(1))

    for n in range(8):
        monkeypatch.setitem(NAMES, f"h{n}.example", ["8.8.8.8"])
        to = f"http://photos.example/{n}"
        server.pages |= {f"/{n}": there, f"/to{n}": redirecting(to)}
    folder = listing([f"/{n}" if n < 2 else f"http://h{n}.example/to{n}" for n in range(8)])
    assert affectml.fetch(folder, **QUICK, per_host=2, jobs=8).images == 8
    assert thirds == []


# Addresses


INNER = """127.0.0.1 ::1 ::ffff:127.0.0.1 2002:7f00:1:: 0.0.0.0 :: 10.1.2.3 172.16.0.1 192.168.1.1 192.0.2.1 198.18.0.1
    100::1 255.255.255.255 ::ffff:10.0.0.1 2001:0:808:808:: fd00::1 2001:db8::1 169.254.169.254 fe80::1 fe80::1%eth0
    64:ff9b::a9fe:a9fe fec0::1 100.64.0.1 192.0.0.8 ::ffff:0:127.0.0.1 ::127.0.0.1 64:ff9b:1::7f00:1 224.0.0.1 ff0e::1
    ff02::1"""
PUBLIC = "8.8.8.8 ::ffff:8.8.8.8 2606:4700:4700::1111 64:ff9b::808:808"


def test_an_address_is_public_or_not():
    for listed, public in ((INNER, False), (PUBLIC, True)):
        found = {address: is_public(ipaddress.ip_address(address)) for address in listed.split()}
        assert found == dict.fromkeys(listed.split(), public)


INWARD = [
    "http://127.0.0.1/a", "http://localhost/a", "http://inward.example/a", "http://mixed.example/a", "http://[::1]/a",
    "http://2130706433/a", "http://0x7f.1/a", "http://127.1/a", "http://0/a",
    "http://169.254.169.254/latest/meta-data/", "http://[::ffff:7f00:1]/a", "http://10.0.0.1/a",
    "http://photos.example:22/a",
]  # fmt: skip


@pytest.mark.parametrize("redirected", [False, True], ids=["at once", "by a redirect"])
def test_addresses_and_ports_that_are_not_public_are_never_connected_to(server, listing, monkeypatch, redirected):
    monkeypatch.setitem(NAMES, "localhost", ["127.0.0.1"])
    server.serves("/a", picture(1))
    folder = listing({f"/to{n}": redirecting(to) for n, to in enumerate(INWARD)} if redirected else INWARD)
    affectml.fetch(folder, **QUICK)
    address, port = ("not a public address", "no"), ("not a public port", "no")
    assert Counter(map(kind_of, failures(folder))) == {address: len(INWARD) - 1, port: 1}
    assert set(server.reached) == ({"93.184.216.34"} if redirected else set())
    assert server.asked["/a"] == 0


ODD = [
    "http://8.8.8.8:99999/", "http://photos.example:99999/", "http://8.8.8.8:0/", "http://a:b:c/",
    "file:///etc/passwd", "ftp://photos.example/a", "data:image/png;base64,aaaa", "gopher://photos.example/", "http://",
    "http:///a", "http://0177.0.0.1/a", "javascript:1", "photo.jpg", "http://exa mple/\n",
]  # fmt: skip


def test_nothing_but_http_and_https_is_asked(server, listing):
    refused = only_failures(listing(ODD))
    assert len(refused) == len(ODD)
    for failure in refused.values():
        reason, again = kind_of(failure)
        assert reason in ("not a web address", "not a url", "no such host")
        assert again == "no" or "exa" in failure["url"]
    assert not server.reached


PIECES = ["http://", "HTTPS:", "//", "@", "ann:pw", "é", "xn--", "[", "]", "::1", "%00", "#", "?", ":", "99999", "\\"]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map("".join), st.booleans())
def test_any_text_is_a_url_or_fails(text, redirected):
    base = checked_url("http://ann:pw@photos.example/x") if redirected else None
    try:
        url = checked_url(text, base)
    except Failed:
        return
    assert url.scheme in ("http", "https")
    assert url.host
    assert url.fragment == ""


def test_a_redirect_to_something_else_is_not_followed(server, listing):
    refused = only_failures(listing({f"/{n}": redirecting(to) for n, to in enumerate(ODD[:6])}))
    assert {kind_of(failure)[0] for failure in refused.values()} == {"not a web address", "not a url"}
    assert server.reached == NAMES["photos.example"] * len(server.reached)


def test_what_was_refused_for_its_address_or_port_is_asked_with_the_options_that_it_names(server, listing, monkeypatch):
    monkeypatch.setitem(NAMES, "localhost", ["127.0.0.1"])
    server.serves("/a", picture(1))
    server.serves("/b", picture(2))
    folder = listing(["http://localhost/a", "http://photos.example:22/b", "/gone"])
    refused = only_failures(folder)
    for image in ("i0", "i1"):
        assert refused[image]["reason"].endswith("; allow_private=True with retry_all=True asks it")
    again = affectml.fetch(folder, **QUICK, allow_private=True, retry_all=True)
    assert again.images == 2
    assert again.failures["reason"].tolist() == ["status 404"]


def test_redirects_are_followed_so_far(server, listing):
    server.pages.update({f"/{n}": redirecting(f"{n + 1}", 301) for n in range(9)})
    server.pages["/4"] = redirecting("http://other.example/there", 307)
    server.serves("/there", picture(1))
    server.pages["/loop"] = redirecting("/loop")
    folder = listing(["/0", "/loop"])
    assert affectml.fetch(folder, **QUICK).images == 1
    assert {row["image_id"]: kind_of(row) for row in failures(folder)} == {"i1": ("too many redirects", "no")}
    assert server.asked["/loop"] == 6


def test_neither_a_name_that_changes_its_address_after_the_check_nor_a_proxy_is_followed(server, listing, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert affectml.fetch(listing({"/a": picture(1)}), **QUICK).images == 1
    assert (server.looked_up, server.reached) == (["photos.example"], NAMES["photos.example"])


def test_a_password_in_a_url_goes_nowhere_and_is_written_nowhere(server, listing):
    server.pages["/a"] = redirecting("/b")
    server.pages["/b"] = redirecting("http://other.example/c")
    bad = ["http://ann:s3cr%40t@bad host/", "http://ann:s3cr/t@photos.example/", "http:\\\\ann:s3cr@photos.example/"]
    bad += ["https://http://ann:s3cr@photos.example/a", "http://photos.example/to?url=http://ann:s3cr@other.example/"]
    folder = listing(["http://ann:s3cr%40t@photos.example/a", *bad])
    summary = affectml.fetch(folder, **QUICK)
    sent = {path: headers.get("Authorization") for _, path, headers in server.log}
    assert sent == dict.fromkeys(["/a", "/b", "/c", "/to?url=http://ann:s3cr@other.example/"])
    assert len(summary.failures) == 6
    said = (folder / "fetch-failures.csv").read_text() + json.dumps(summary.to_json()) + str(summary.reasons())
    assert not re.search("s3cr|ann", said)
    affectml.fetch(folder, **QUICK)
    assert server.asked["/a"] == 1  # and is known again without it


def test_certificates_of_ones_own_are_taken_and_none_is_said_so(listing, monkeypatch, tmp_path):
    import certifi

    first = certifi.contents().partition("-----END CERTIFICATE-----")
    (tmp_path / "own.pem").write_text("".join(first[:2]), encoding="ascii")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
    assert len(_trusted().get_ca_certs()) == 1
    (tmp_path / "empty.pem").touch()
    folder = listing(["/a"])
    for place in ("absent.pem", "empty.pem"):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / place))
        says = f"SSL_CERT_FILE=.*{place}: no certificates can be read there"
        refused(BadInput, says, affectml.fetch, folder, **QUICK)


# The next run


def test_the_next_run_asks_for_what_may_come_and_for_all_when_told_to(server, listing):
    folder = listing({"/gone": answering(404), "/busy": answering(503), "/html": HTML})
    affectml.fetch(folder, **QUICK)
    assert server.asked == {"/gone": 1, "/busy": 3, "/html": 1}

    server.serves("/busy", picture(1))
    assert affectml.fetch(folder, **QUICK).images == 1
    assert server.asked == {"/gone": 1, "/busy": 4, "/html": 1}
    assert [row["image_id"] for row in failures(folder)] == ["i0", "i2"]

    server.serves("/gone", picture(2))
    server.serves("/html", picture(3))
    assert affectml.fetch(folder, **QUICK, retry_all=True).images == 2
    assert not (folder / "fetch-failures.csv").exists()


STOPPED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which may be off in a job in the background
from affectml.fetching import FetchConfig, fetch
fetch.fetch_images(sys.argv[1], FetchConfig(per_host=1, delay=0, allow_private=True))
"""


@pytest.mark.parametrize(("by", "images", "listed"), [(signal.SIGKILL, 3, False), (signal.SIGINT, 1, True)])
def test_a_run_that_was_stopped_is_gone_on_with_and_ends_the_same(server, listing, tmp_path, by, images, listed):
    for n in range(3):
        server.serves(f"/{n}", picture(n))
    folder = listing([f"http://127.0.0.1:{server.server_port}/{name}" for name in (0, 1, "gone", 2)])
    shutil.copytree(folder, tmp_path / "undisturbed")
    affectml.fetch(tmp_path / "undisturbed", **QUICK, allow_private=True)

    run = []
    server.pages["/2"] = lambda handler, _: run[0].send_signal(by) or server.over.wait()  # the others are done with
    run.append(subprocess.Popen([sys.executable, "-c", STOPPED, str(folder)], stderr=subprocess.DEVNULL))
    assert run[0].wait() == -by

    server.serves("/2", picture(2))
    server.asked.clear()
    summary = affectml.fetch(folder, **QUICK, allow_private=True)
    assert server.asked == {"/2": 1} | ({} if listed else {"/gone": 1}), "what came is not asked for again"
    assert (summary.urls, summary.images) == (1, images)
    assert files_of(folder) == files_of(tmp_path / "undisturbed")


def test_one_download_into_a_data_set_at_a_time(server, listing):
    folder = listing(["/a"])
    with FileLock(folder / ".fetch.lock"), pytest.raises(BadDataset, match="another process downloads its images"):
        affectml.fetch(folder, **QUICK)


def test_images_that_lead_out_of_the_data_set_are_not_written(server, listing, tmp_path):
    folder = listing(["/a"])
    (tmp_path / "elsewhere").mkdir()
    (folder / "images").symlink_to(tmp_path / "elsewhere")
    refused(BadDataset, "leaves the data set's folder", affectml.fetch, folder, **QUICK)


def test_it_runs_where_a_loop_runs_as_in_a_notebook(server, listing):
    folder = listing({"/a": picture(1)})

    async def cell():
        return affectml.fetch(folder, **QUICK)

    assert asyncio.run(cell()).images == 1


def test_what_cannot_be_fetched_is_named(tmp_path):
    write_dataset(tmp_path / "mydata", DatasetMeta(name="x"), pd.DataFrame({"image_id": ["a"], "file": ["a.png"]}), {})
    refused(BadDataset, "no column url", affectml.fetch, tmp_path / "mydata")
    refused(BadInput, "fetch: no option 'perhost'; did you mean 'per_host'", affectml.fetch, "mydata", perhost=3)
    inf, nan = float("inf"), float("nan")
    wrong = {"jobs": ("3", 0), "allow_private": ("no",), "delay": (inf, -1), "deadline": (0,), "max_mb": (nan,)}
    for name, values in {**wrong, "contact": ("a\nb",)}.items():
        for value in values:
            refused(BadInput, f"{name}=", FetchConfig, **{name: value})


def test_a_column_of_mine_that_holds_no_hashes_is_not_written_over(server, listing):
    folder = listing(["/a"], sha256=[7])
    before = (folder / "images.parquet").read_bytes()
    refused(BadDataset, "expected texts in column sha256, got 7; rename your column", affectml.fetch, folder, **QUICK)
    assert (folder / "images.parquet").read_bytes() == before


def test_the_command_says_what_came_and_why_the_rest_did_not(server, listing, told):
    folder = listing({"/a": picture(1), "/gone": answering(404), "/lost": answering(404)})
    command = ["import", "fetch", str(folder), "--delay", "0"]
    said = told(*command)
    assert "status 404" in said
    assert "0 of them; for all with --retry-all" in said
    assert [failure["reason"] for failure in json.loads(told(*command, "--json"))["failures"]] == ["status 404"] * 2
    assert server.asked == {"/a": 1, "/gone": 1, "/lost": 1}
    assert Dataset.open(folder).images["file"].notna().tolist() == [True, False, False]


ODD_WORDS = [
    "chunked", "gzip", "²", "http://[", "//x:y", "-1", "Fri, 32 Jan 2027", "/%00", "\x7f", "http://photos.example:1/",
]  # fmt: skip


def damaged_answer(seed):
    """A response whose status, headers and bytes are not to be relied on."""
    pick = random.Random(seed)
    body = picture(seed, pick.choice(["JPEG", "PNG", "GIF", "WEBP", "BMP"]))
    head = [f"HTTP/1.1 {pick.choice([200, 200, 200, 301, 429, 503, 999])} X", f"Content-Length: {len(body)}"]
    for name in ("Location", "Retry-After", "Content-Encoding", "Transfer-Encoding"):
        head += [f"{name}: {pick.choice(ODD_WORDS)}"] if pick.random() < 0.2 else []
    raw = bytearray("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
    for _ in range(pick.choice([0, 1, 3, 20])):
        at = int(len(raw) * pick.random() ** 2)
        raw[at : at + pick.randrange(4)] = pick.randbytes(pick.randrange(4))
    return bytes(raw)


def test_no_answer_ends_the_download_of_others(server, listing, monkeypatch):
    monkeypatch.setattr("affectml.fetching._download.GIVE_UP", 1000)

    def page(handler, _):
        handler.wfile.write(damaged_answer(int(handler.path[1:])))
        handler.close()

    folder = listing({f"/{seed}": page for seed in range(60)})
    limits = {"timeout": 0.5, "deadline": 1.0, "max_wait": 0.0, "tries": 1, "per_host": 16}
    done = affectml.fetch(folder, **QUICK | limits)
    assert done.images > 3
    assert done.images + len(failures(folder)) == 60
    assert len(set(map(kind_of, failures(folder)))) > 3


ODD_PAUSES = [
    "²", "nan", "-5", "1e999", "9" * 400, "Mon, 01 Jan 0001 00:00:00 +2300", "Fri, 31 Dec 9999 23:59:59 -2300",
]  # fmt: skip


def test_a_pause_that_nobody_can_keep_does_not_end_the_download(server, listing, monkeypatch):
    for n, pause in enumerate(ODD_PAUSES):
        monkeypatch.setitem(NAMES, f"h{n}.example", ["8.8.8.8"])
        server.pages[f"/{n}"] = answering(429, retry_after=pause)
    folder = listing([f"http://h{n}.example/{n}" for n in range(len(ODD_PAUSES))])
    affectml.fetch(folder, **QUICK)
    assert [row["again"] for row in failures(folder)] == ["yes"] * len(ODD_PAUSES)


def test_a_cell_of_what_failed_is_no_formula_in_a_spreadsheet(server, listing):
    folder = listing(['=HYPERLINK("http://other.example")', "/gone"], image_id=["=1+2", "-3"])
    affectml.fetch(folder, **QUICK)
    listed = failures(folder)
    assert [row["image_id"] for row in listed] == ["'=1+2", "-3"]
    assert listed[0]["url"] == '\'=HYPERLINK("http://other.example")'
    file = folder / "fetch-failures.csv"  # earlier versions had more columns
    file.write_text("\n".join([f"{line},{at or 'when'}" for at, line in enumerate(file.read_text().splitlines())]))
    affectml.fetch(folder, **QUICK)
    assert server.asked == {"/gone": 1}, "they are known again"
    assert failures(folder) == listed
