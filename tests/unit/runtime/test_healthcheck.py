"""The image's health check: a fresh file, and the api's /healthz."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from services.healthcheck import why_not


@pytest.fixture
def alive(tmp_path):
    def alive(part, http_port=0, age_s=0):
        file = tmp_path / "alive"
        file.write_text(json.dumps({"part": part, "http_port": http_port, "tls": False}))
        then = file.stat().st_mtime - age_s
        os.utime(file, (then, then))
        return str(file)

    return alive


@pytest.fixture
def healthz():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_fresh_file_is_alive(alive):
    assert why_not(alive("poller")) is None


def test_an_old_file_is_not(alive):
    assert "poller: its event loop last turned" in str(why_not(alive("poller", age_s=60)))


def test_no_file_is_no_life(tmp_path):
    assert "no sign of life" in str(why_not(str(tmp_path / "none")))


def test_without_the_setting_it_says_so():
    assert "FUNSWARM_ALIVE_FILE" in str(why_not(None))


def test_the_api_is_asked(alive, healthz):
    assert why_not(alive("api", http_port=healthz)) is None


def test_an_api_that_does_not_answer_is_not_alive(alive):
    assert "does not answer" in str(why_not(alive("api", http_port=1)))
