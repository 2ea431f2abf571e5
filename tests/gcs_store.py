"""The part of Google Cloud Storage's JSON API that reading, listing and writing objects needs, in memory.

There is no emulator of it among Python's packages. A process of its own, as the client library waits for answers
without letting other Python threads run: `python -m tests.gcs_store` prints its URL.
"""

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class GcsStore(ThreadingHTTPServer):
    """Buckets that exist as soon as they are named."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[tuple[str, str], tuple[bytes, int]] = {}
        self.uploads: dict[str, tuple[str, str, bytearray]] = {}
        self._generation = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, bucket, name, content):
        self._generation += 1
        self.objects[bucket, name] = (bytes(content), self._generation)

    def described(self, bucket, name):
        content, generation = self.objects[bucket, name]
        moment = f"2026-01-01T00:00:00.{generation:03d}Z"
        return {
            "kind": "storage#object", "bucket": bucket, "name": name, "size": str(len(content)),
            "generation": str(generation), "etag": hashlib.md5(content).hexdigest(), "updated": moment,
            "timeCreated": moment,
        }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: GcsStore

    def do_GET(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        one = re.fullmatch(r"(?:/download)?/storage/v1/b/([^/]+)/o/(.+)", url.path)
        listed = re.fullmatch(r"/storage/v1/b/([^/]+)/o", url.path)
        media = re.fullmatch(r"/([^/]+)/(.+)", url.path)
        if listed:
            self._list(listed[1], query)
        elif one and query.get("alt") != "media":
            self._answer_object(one[1], unquote(one[2]))
        elif one or media:
            bucket, name = (one or media).groups()
            self._send_content(bucket, unquote(name))

    def do_POST(self):
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        bucket = self.path.split("/b/")[1].split("/")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if query["uploadType"] == "resumable":
            name = query.get("name") or json.loads(body)["name"]
            key = str(len(self.server.uploads))
            self.server.uploads[key] = (bucket, name, bytearray())
            self._answer({}, headers={"Location": f"{self.server.url}/upload/{key}"})
        else:
            raise NotImplementedError(self.path)

    def do_PUT(self):
        bucket, name, content = self.server.uploads[self.path.rpartition("/")[2]]
        content += self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Range", "/*").endswith("/*"):
            self._answer({}, status=308, headers={"Range": f"bytes=0-{len(content) - 1}"} if content else {})
            return
        self.server.put(bucket, name, content)
        self._answer_object(bucket, name)

    def do_DELETE(self):
        bucket, name = re.fullmatch(r"/storage/v1/b/([^/]+)/o/([^?]+).*", self.path).groups()
        found = self.server.objects.pop((bucket, unquote(name)), None)
        self._answer({}, status=404 if found is None else 204)

    def _list(self, bucket, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        names = sorted(name for owner, name in self.server.objects if owner == bucket and name.startswith(prefix))
        prefixes = set()
        if delimiter:
            deeper = {name for name in names if delimiter in name[len(prefix) :]}
            prefixes = {prefix + name[len(prefix) :].partition(delimiter)[0] + delimiter for name in deeper}
            names = [name for name in names if name not in deeper]
        items = [self.server.described(bucket, name) for name in names]
        self._answer({"kind": "storage#objects", "items": items, "prefixes": sorted(prefixes)})

    def _answer_object(self, bucket, name):
        if (bucket, name) in self.server.objects:
            self._answer(self.server.described(bucket, name))
        else:
            self._answer({"error": {"code": 404, "message": "no such object"}}, status=404)

    def _send_content(self, bucket, name):
        if (bucket, name) not in self.server.objects:
            self._answer({}, status=404)
            return
        content, generation = self.server.objects[bucket, name]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-"))
        assert wanted is not None
        start, end = int(wanted[1]), int(wanted[2] or len(content) - 1)
        part = content[start : end + 1]
        headers = {"x-goog-generation": str(generation)}
        if "Range" in self.headers:
            headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
        self._send(part, 206 if "Range" in self.headers else 200, headers)

    def _answer(self, value, status=200, headers=None):
        self._send(b"" if status == 204 else json.dumps(value).encode(), status, headers or {})

    def _send(self, content, status, headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    store = GcsStore()
    print(store.url, flush=True)
    store.serve_forever()
