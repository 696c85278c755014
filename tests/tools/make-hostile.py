#!/usr/bin/python3
"""Copies an OCI layout and puts a layer on top whose entries are as asked, however hostile.

usage: make-hostile.py FROM TO [ENTRY...]

Entries: file=NAME dir=NAME sym=NAME>TARGET hard=NAME>TARGET whiteout=NAME zeros=NAME:SIZE, the first two with
:mode=OCTAL and :xattr=NAME=VALUE after them.
"""
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ocilayout  # noqa: E402

KINDS = {'file': tarfile.REGTYPE, 'dir': tarfile.DIRTYPE, 'sym': tarfile.SYMTYPE, 'hard': tarfile.LNKTYPE,
         'zeros': tarfile.REGTYPE, 'whiteout': tarfile.REGTYPE}


def entry_of(text):
    kind, _, rest = text.partition('=')
    name, *options = rest.split(':')
    name, _, target = name.partition('>')
    if kind == 'whiteout':
        name = os.path.join(os.path.dirname(name), '.wh.' + os.path.basename(name))
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = KINDS[kind], target
    entry.mode = 0o755 if kind == 'dir' else 0o644
    for option in options:
        if option.isdigit():
            entry.size = int(option)
        elif option.startswith('mode='):
            entry.mode = int(option[5:], 8)
        elif option.startswith('xattr='):
            key, _, value = option[6:].partition('=')
            entry.pax_headers['SCHILY.xattr.' + key] = value
    return entry


def raw_header(entry):
    """As tarfile writes it, but with the name exactly as asked: tarfile takes slashes off the ends."""
    return entry.tobuf(tarfile.PAX_FORMAT, 'utf-8', 'surrogateescape')


def bomb(entries):
    """gzip of a huge stream, made in members that repeat: compressing it all would take minutes."""
    chunk = b'\0' * (16 << 20)
    packed_chunk = gzip.compress(chunk, 9, mtime=0)
    digest, packed = hashlib.sha256(), io.BytesIO()
    for entry in entries:
        header = raw_header(entry)
        digest.update(header)
        packed.write(gzip.compress(header, mtime=0))
        for _ in range(entry.size // len(chunk)):
            packed.write(packed_chunk)
        rest = b'\0' * (entry.size % len(chunk) + -entry.size % 512)
        packed.write(gzip.compress(rest, mtime=0))
    packed.write(gzip.compress(b'\0' * 1024, mtime=0))
    # Nobody gets as far as comparing it.
    return 'sha256:' + digest.hexdigest(), packed.getvalue()


def plain(entries):
    stream = io.BytesIO()
    for entry in entries:
        stream.write(raw_header(entry))
        stream.write(b'\0' * (entry.size + -entry.size % 512))
    stream.write(b'\0' * 1024)
    data = stream.getvalue()
    return 'sha256:' + hashlib.sha256(data).hexdigest(), gzip.compress(data, mtime=0)


def main(source, target, *entries):
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(['cp', '-r', source, target], check=True)
    if entries:
        entries = [entry_of(text) for text in entries]
        big = any(entry.size > 1 << 30 for entry in entries)
        digest, packed = (bomb if big else plain)(entries)
        ocilayout.add_layer(target, digest, packed, 'application/vnd.oci.image.layer.v1.tar+gzip')


if __name__ == '__main__':
    main(*sys.argv[1:])
