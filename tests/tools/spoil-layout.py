#!/usr/bin/env python3
"""Copies an OCI layout and makes one thing in it wrong. Without a case: lists the cases.

usage: spoil-layout.py [LAYOUT OUT CASE]

What stands above the wrong thing is made to fit it again (manifests and index.json are rewritten), unless it is the
digest or the size itself that is wrong. Every case has to be InvalidImage."""
import hashlib
import json
import os
import shutil
import sys


class Layout:
    def __init__(self, path):
        self.path = path
        self.index = json.load(open(f"{path}/index.json"))
        self.entry = self.index["manifests"][0]
        self.manifest = json.load(open(self.blob(self.entry)))
        self.config = json.load(open(self.blob(self.manifest["config"])))
        self.layers = self.manifest["layers"]
        self.diff_ids = self.config["rootfs"]["diff_ids"]

    def blob(self, descriptor):
        return f"{self.path}/blobs/sha256/{descriptor['digest'][7:]}"

    def put(self, document):
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        descriptor = {"digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}
        with open(self.blob(descriptor), "wb") as f:
            f.write(data)
        return descriptor

    def save_config(self):
        self.manifest["config"].update(self.put(self.config))
        self.save_manifest()

    def save_manifest(self):
        self.entry.update(self.put(self.manifest))
        self.save_index()

    def save_index(self):
        json.dump(self.index, open(f"{self.path}/index.json", "w"))


def flip(path, offset):
    data = bytearray(open(path, "rb").read())
    data[offset] ^= 1
    open(path, "wb").write(data)


def layer_byte(l):
    flip(l.blob(l.layers[0]), -9)


def layer_short(l):
    path = l.blob(l.layers[0])
    os.truncate(path, os.path.getsize(path) - 3)


def layer_missing(l):
    os.unlink(l.blob(l.layers[0]))


def layer_is_link(l):
    path = l.blob(l.layers[0])
    os.rename(path, l.path + "/elsewhere")
    os.symlink("../../elsewhere", path)


def layer_size(l):
    l.layers[0]["size"] += 1
    l.save_manifest()


def layer_compression(l):
    l.layers[0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd"
    l.save_manifest()


def layer_twice(l):
    l.layers.append(dict(l.layers[0]))
    l.diff_ids.append("sha256:" + "1" * 64)
    l.save_config()


def digest_is_path(l):
    l.layers[0]["digest"] = "sha256:../../../../etc/passwd"
    l.save_manifest()


def diff_id(l):
    l.diff_ids[-1] = "sha256:" + "0" * 64
    l.save_config()


def diff_ids_less(l):
    l.diff_ids.pop()
    l.save_config()


def config_byte(l):
    flip(l.blob(l.manifest["config"]), 3)


def config_missing(l):
    os.unlink(l.blob(l.manifest["config"]))


def config_no_json(l):
    l.manifest["config"].update(l.put(b'{"a":'))
    l.save_manifest()


def manifest_byte(l):
    flip(l.blob(l.entry), 3)


def manifest_size(l):
    l.entry["size"] += 1
    l.save_index()


def manifest_no_json(l):
    l.entry.update(l.put(b"[1,2"))
    l.save_index()


def manifest_and_index(l):
    l.manifest["manifests"] = []
    l.save_manifest()


def manifest_type(l):
    l.manifest["mediaType"] = "application/vnd.oci.image.index.v1+json"
    l.save_manifest()


def index_no_json(l):
    open(f"{l.path}/index.json", "w").write("{")


def index_empty(l):
    json.dump({"schemaVersion": 2, "manifests": []}, open(f"{l.path}/index.json", "w"))


CASES = {f.__name__.replace("_", "-"): f for f in (
    layer_byte, layer_short, layer_missing, layer_is_link, layer_size, layer_compression, layer_twice, digest_is_path,
    diff_id, diff_ids_less, config_byte, config_missing, config_no_json, manifest_byte, manifest_size, manifest_no_json,
    manifest_and_index, manifest_type, index_no_json, index_empty)}


def main():
    if len(sys.argv) == 1:
        print("\n".join(CASES))
        return
    layout, out, case = sys.argv[1:]
    shutil.copytree(layout, out, symlinks=True)
    CASES[case](Layout(out))


main()
