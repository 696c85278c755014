#!/usr/bin/python3
"""An OCI image layout served as a registry on loopback, with faults that the repository's name asks for.

    registry-fault.py [--tls CERT KEY] [--log FILE] [--user NAME:PASSWORD] LAYOUT

prints one line, "PORT BLOB_PORT PLAIN_PORT", and serves until SIGTERM, or until stdin ends when that is a pipe:
  PORT        the registry; https with --tls
  BLOB_PORT   the "blob store" that redirects lead to; https with --tls
  PLAIN_PORT  the same as BLOB_PORT, but always plain http: for downgrades

Every request is a line of JSON in FILE: {"listener", "method", "path", "headers", "body"}; header names in lower case.

In /v2/A/B/NAME the components before the last are faults, and they add up: "token/redirect/app". Counts are per request
target. Tags are looked up in index.json (annotation org.opencontainers.image.ref.name); an only entry has every tag.

  token            Bearer; the token server wants NAME:PASSWORD       token-anonymous  it gives a token to everybody
  token-once       each token is good for one request                 token-access     "access_token", not "token"
  token-identity   POST with refresh_token=identity-secret            token-denied     a token that is not accepted
  token-none       the token server answers without a token           token-500        it answers 500
  realm-linklocal, realm-private, realm-plain (PLAIN_PORT), realm-file, realm-foreign (another site)
  basic            Basic, NAME:PASSWORD
  redirect         blobs: to the blob store         redirect-401       to its 401 with a Bearer challenge
  redirect-plain   blobs: to PLAIN_PORT             redirect-localhost the store under another name
  redirect-loop    for ever                         redirect-hops-N    N hops, then the store
  redirect-linklocal                                redirect-file      file:///etc/passwd
  status-CODE      always                           status-CODE-N      the first N times
  blob-status-CODE, blob-status-CODE-N              the same for blobs only
  retry-after-S-N  429 with Retry-After: S, N times   retry-date-S-N   the same as an HTTP date
  truncate-N       the first answer of a blob is cut after N bytes    truncate-each-N    every answer is
  norange          Range is ignored                 badrange           206 with another Content-Range
  wrong-blob       other bytes, same length         long-blob          more bytes than the descriptor says
  wrong-manifest   other bytes, the true digest in the header         wrong-header       another digest in the header
  no-header        no Docker-Content-Digest         type-TYPE          type-html, type-json, type-schema1
  endless-manifest, endless-headers, endless-error
  slow-MS          MS between pieces of 16 KiB      stall              headers, then nothing
  reset            the connection is reset          reset-N            the first N times
  garbage          no HTTP at all                   rude-error         404 with control characters in its message
"""

import argparse
import base64
import collections
import email.utils
import hashlib
import json
import os
import signal
import socket
import ssl
import stat
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PIECE = 16384
CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "schema1": "application/vnd.docker.distribution.manifest.v1+prettyjws",
}


class State:
    """What the listeners share."""

    def __init__(self, args):
        self.layout = args.layout
        self.user = args.user
        self.log_file = open(args.log, "a", encoding="utf-8") if args.log else None
        self.scheme = "https" if args.tls else "http"
        self.ports = {}
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.tokens = {}  # token -> uses left

    def log(self, listener, handler, body):
        if not self.log_file:
            return
        entry = {
            "listener": listener,
            "method": handler.command,
            "path": handler.path,
            "headers": {k.lower(): v for k, v in handler.headers.items()},
            "body": body.decode("latin-1"),
        }
        with self.lock:
            self.log_file.write(json.dumps(entry) + "\n")
            self.log_file.flush()

    def count(self, key):
        """How often key was seen before."""
        with self.lock:
            self.counts[key] += 1
            return self.counts[key] - 1

    def new_token(self, uses):
        token = "token-%d-%s" % (self.count("token"), os.urandom(6).hex())
        with self.lock:
            self.tokens[token] = uses
        return token

    def use_token(self, token):
        with self.lock:
            left = self.tokens.get(token, 0)
            if left > 0:
                self.tokens[token] = left - 1
            return left != 0

    def blob(self, digest):
        algorithm, _, hexa = digest.partition(":")
        if algorithm not in ("sha256", "sha512") or not hexa.isalnum():
            return None
        try:
            with open(os.path.join(self.layout, "blobs", algorithm, hexa), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return None

    def descriptor(self, reference):
        with open(os.path.join(self.layout, "index.json"), encoding="utf-8") as f:
            entries = json.load(f)["manifests"]
        for entry in entries:
            name = entry.get("annotations", {}).get("org.opencontainers.image.ref.name", "")
            if reference in (entry["digest"], name) or name.endswith(":" + reference):
                return entry
        return entries[0] if len(entries) == 1 and ":" not in reference else None


class Reset(Exception):
    """The connection is to end with a TCP reset."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    listener = None
    state = None

    def log_message(self, format, *args):  # stderr stays quiet
        pass

    def do_GET(self):
        self.handle_one()

    def do_HEAD(self):
        self.handle_one()

    def do_POST(self):
        self.handle_one()

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.state.log(self.listener, self, body)
        try:
            self.route(body)
        except Reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    # -- answers

    def answer(self, status, body=b"", headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, message, headers=()):
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.answer(status, body, [("Content-Type", "application/json"), *headers])

    def redirect(self, url):
        self.answer(307, b"", [("Location", url)])

    def endless(self, piece, status=200, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    # -- routing

    def route(self, body):
        path = urlsplit(self.path).path
        if path == "/token":
            self.token(body)
        elif path.startswith("/store/"):
            self.store(path)
        elif path in ("/v2", "/v2/"):
            self.answer(200, b"{}", [("Content-Type", "application/json")])
        elif path.startswith("/v2/"):
            self.registry(path)
        else:
            self.error(404, "NOT_FOUND", "no such page")

    def registry(self, path):
        *name, kind, reference = path[len("/v2/"):].split("/")
        self.faults = name[:-1]
        if kind not in ("manifests", "blobs") or not name:
            self.error(404, "NAME_UNKNOWN", "repository name not known to registry")
        elif self.early_fault(path, kind) or not self.authorized(path):
            pass
        elif kind == "manifests":
            self.manifest(reference)
        else:
            self.registry_blob(path, reference)

    def fault(self, name):
        """The arguments of fault NAME-..., or None."""
        for f in self.faults:
            if f == name:
                return []
            if f.startswith(name + "-"):
                return f[len(name) + 1:].split("-")
        return None

    def within(self, path, name, args, position):
        """Whether a counted fault still applies; without a count it always does."""
        if len(args) <= position:
            return True
        return self.state.count((name, self.command, path)) < int(args[position])

    def early_fault(self, path, kind):
        """Faults that come before anything else; True when the request is answered."""
        args = self.fault("reset")
        if args is not None and self.within(path, "reset", args, 0):
            raise Reset
        if "garbage" in self.faults:
            self.wfile.write(b"\x00\x01 this is not HTTP\n" * 4)
            self.close_connection = True
            return True
        if "rude-error" in self.faults:
            self.error(404, "MANIFEST_UNKNOWN", "\x1b[31mred\x07\r\nnexcage: forged line \u202e")
            return True
        if "endless-headers" in self.faults:
            self.send_response(200)
            while True:
                self.send_header("X-More", "y" * 1000)
                self.flush_headers()
        if "endless-error" in self.faults:
            self.endless(b"x" * 65536, 400)
        for name, position in (("status", 1),) + ((("blob-status", 1),) if kind == "blobs" else ()):
            args = self.fault(name)
            if args and args[0].isdigit() and self.within(path, name, args, position):
                codes = {401: "UNAUTHORIZED", 403: "DENIED", 404: "MANIFEST_UNKNOWN", 429: "TOOMANYREQUESTS"}
                status = int(args[0])
                self.error(status, codes.get(status, "UNKNOWN"), "the fault that was asked for")
                return True
        for name in ("retry-after", "retry-date"):
            args = self.fault(name)
            if args and self.within(path, name, args, 1):
                when = args[0]
                if name == "retry-date":
                    when = email.utils.formatdate(time.time() + int(when), usegmt=True)
                self.error(429, "TOOMANYREQUESTS", "slow down", [("Retry-After", when)])
                return True
        return False

    # -- authentication

    def authorized(self, path):
        value = self.headers.get("Authorization", "")
        if "basic" in self.faults:
            if value == "Basic " + base64.b64encode(self.state.user.encode()).decode():
                return True
            self.error(401, "UNAUTHORIZED", "authentication required", [("WWW-Authenticate", 'Basic realm="test"')])
            return False
        kind = self.fault("token")
        realm = self.fault("realm")
        if kind is None and realm is None:
            return True
        if value.startswith("Bearer ") and self.state.use_token(value[len("Bearer "):]):
            return True
        repository = path[len("/v2/"):].rsplit("/", 2)[0]
        challenge = 'Bearer realm="%s",service="test-registry",scope="repository:%s:pull"' % (
            self.realm(realm, kind), repository)
        self.error(401, "UNAUTHORIZED", "authentication required", [("WWW-Authenticate", challenge)])
        return False

    def realm(self, realm, kind):
        variant = (kind or [""])[0] if kind else ""
        urls = {
            "linklocal": "http://169.254.169.254/token",
            "private": "%s://10.255.255.1/token" % self.state.scheme,
            "plain": "http://127.0.0.1:%d/token" % self.state.ports["plain"],
            "file": "file:///etc/passwd",
            "foreign": "%s://token.example.com/token" % self.state.scheme,
        }
        if realm:
            return urls[realm[0]]
        return "%s://127.0.0.1:%d/token?variant=%s" % (self.state.scheme, self.state.ports["registry"], variant)

    def token(self, body):
        query = parse_qs(urlsplit(self.path).query)
        variant = query.get("variant", [""])[0]
        basic = "Basic " + base64.b64encode(self.state.user.encode()).decode()
        if variant == "500":
            self.answer(500)
        elif variant == "none":
            self.answer(200, b"{}")
        elif variant == "identity":
            form = parse_qs(body.decode())
            if self.command == "POST" and form.get("refresh_token") == ["identity-secret"]:
                self.give_token("access_token", -1)
            else:
                self.answer(401, b'{"error":"invalid_grant","error_description":"no such identity token"}')
        elif variant in ("anonymous", "once", "access", "denied") or self.headers.get("Authorization") == basic:
            uses = {"once": 1, "denied": 0}.get(variant, -1)
            self.give_token("access_token" if variant == "access" else "token", uses)
        else:
            self.answer(401, b'{"details":"incorrect username or password"}')

    def give_token(self, field, uses):
        body = json.dumps({field: self.state.new_token(uses), "expires_in": 300}).encode()
        self.answer(200, body, [("Content-Type", "application/json")])

    # -- manifests

    def manifest(self, reference):
        descriptor = self.state.descriptor(reference)
        data = self.state.blob(descriptor["digest"] if descriptor else reference)
        if data is None:
            self.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
            return
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        media_type = json.loads(data).get("mediaType") or (descriptor or {}).get(
            "mediaType", "application/vnd.oci.image.manifest.v1+json")
        args = self.fault("type")
        if args:
            media_type = CONTENT_TYPES[args[0]]
        if "wrong-manifest" in self.faults:
            data = data.replace(b"{", b"{ ", 1)
        if "wrong-header" in self.faults:
            digest = "sha256:" + "0" * 64
        headers = [("Content-Type", media_type)]
        if "no-header" not in self.faults:
            headers.append(("Docker-Content-Digest", digest))
        if "endless-manifest" in self.faults and self.command == "GET":
            self.endless(b" " * 65536, 200, headers)
        self.answer(200, data, headers)

    # -- blobs

    def registry_blob(self, path, digest):
        ports = self.state.ports
        store = "/store/%s/%s" % ("/".join(self.faults) or "none", digest)
        args = self.fault("redirect")
        if args is None:
            self.blob(path, digest)
        elif args == []:
            self.redirect("%s://127.0.0.1:%d%s?signature=s3cret" % (self.state.scheme, ports["blobs"], store))
        elif args[0] == "plain":
            self.redirect("http://127.0.0.1:%d%s" % (ports["plain"], store))
        elif args[0] == "localhost":
            self.redirect("%s://localhost:%d%s" % (self.state.scheme, ports["blobs"], store))
        elif args[0] == "loop":
            self.redirect(path)
        elif args[0] == "hops":
            done = int(parse_qs(urlsplit(self.path).query).get("hop", ["1"])[0])
            if done < int(args[1]):
                self.redirect("%s?hop=%d" % (path, done + 1))
            else:
                self.redirect("%s://127.0.0.1:%d%s" % (self.state.scheme, ports["blobs"], store))
        elif args[0] == "linklocal":
            self.redirect("%s://169.254.169.254/latest/meta-data" % self.state.scheme)
        elif args[0] == "file":
            self.redirect("file:///etc/passwd")
        elif args[0] == "401":
            self.redirect("%s://127.0.0.1:%d/store/deny/%s" % (self.state.scheme, ports["blobs"], digest))
        else:
            self.error(400, "UNSUPPORTED", "no such redirect")

    def store(self, path):
        *faults, digest = path[len("/store/"):].split("/")
        self.faults = faults
        if faults == ["deny"]:
            realm = "%s://127.0.0.1:%d/token" % (self.state.scheme, self.state.ports["blobs"])
            self.error(401, "UNAUTHORIZED", "who are you",
                       [("WWW-Authenticate", 'Bearer realm="%s",service="evil",scope="all"' % realm)])
        else:
            self.blob(path, digest)

    def blob(self, path, digest):
        data = self.state.blob(digest)
        if data is None:
            self.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
            return
        if "wrong-blob" in self.faults:
            data = bytes([data[0] ^ 1]) + data[1:]
        if "long-blob" in self.faults:
            data += b"more"
        start, status, headers = self.range(len(data))
        if status == 416:
            self.answer(416, b"", headers)
            return
        headers.append(("Content-Type", "application/octet-stream"))
        self.send_blob(path, data[start:], status, headers)

    def range(self, size):
        value = self.headers.get("Range", "")
        if not value.startswith("bytes=") or "norange" in self.faults:
            return 0, 200, []
        start = int(value[len("bytes="):].split("-")[0])
        if start >= size:
            return 0, 416, [("Content-Range", "bytes */%d" % size)]
        shown = 0 if "badrange" in self.faults else start
        return start, 206, [("Content-Range", "bytes %d-%d/%d" % (shown, size - 1, size))]

    def send_blob(self, path, data, status, headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if "stall" in self.faults:
            time.sleep(3600)
        args = self.fault("truncate")
        if args:
            each = args[0] == "each"
            if each or self.state.count(("truncate", path)) == 0:
                data = data[:int(args[-1])]
                self.close_connection = True
        slow = self.fault("slow")
        for i in range(0, len(data), PIECE):
            self.wfile.write(data[i:i + PIECE])
            if slow:
                time.sleep(int(slow[0]) / 1000)


def listen(state, name, context):
    handler = type("Handler_" + name, (Handler,), {"listener": name, "state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda request, client: None  # a client that speaks no TLS is none of ours
    state.ports[name] = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()


def wait_for_the_end():
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: done.set())
    signal.signal(signal.SIGINT, lambda number, frame: done.set())

    def read_stdin():
        while os.read(0, 4096):
            pass
        done.set()

    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=read_stdin, daemon=True).start()
    done.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--log", metavar="FILE")
    parser.add_argument("--user", metavar="NAME:PASSWORD", default="user:secret")
    parser.add_argument("layout", metavar="LAYOUT")
    args = parser.parse_args()
    state = State(args)
    context = None
    if args.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*args.tls)
    listen(state, "registry", context)
    listen(state, "blobs", context)
    listen(state, "plain", None)
    print(state.ports["registry"], state.ports["blobs"], state.ports["plain"], flush=True)
    wait_for_the_end()
    os._exit(0)  # without waiting for those who still stall


if __name__ == "__main__":
    sys.exit(main())
