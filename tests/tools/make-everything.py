#!/usr/bin/python3
"""Writes an OCI layout whose image holds every kind of entry that a layer may have.

usage: make-everything.py LAYOUT ARCH

Layer by layer: 1 the kinds of entries, PAX; 2 empty, not compressed; 3 whiteouts, opaque directories and swaps of kind;
4 GNU headers, names that are no UTF-8, and things that come back. The first and the last say what the root directory is
(podman's default is another than umoci's, and it skips a "."). Nothing depends on the clock: the digests are the
same on every run.
"""
import gzip
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tarfile

MTIME = 1700000000
BLOCK = 512


class Layer:
    """A tar stream in the making."""

    def __init__(self, format=tarfile.PAX_FORMAT):
        self.buffer = io.BytesIO()
        self.format = format
        self.tar = tarfile.open(fileobj=self.buffer, mode='w', format=format, errors='surrogateescape')

    def info(self, name, type, mode, uid=0, gid=0, **pax):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.uid, entry.gid, entry.mtime = type, mode, uid, gid, MTIME
        entry.pax_headers = pax
        return entry

    def file(self, name, data=b'', mode=0o644, uid=0, gid=0, **pax):
        entry = self.info(name, tarfile.REGTYPE, mode, uid, gid, **pax)
        data = data.encode() if isinstance(data, str) else data
        entry.size = len(data)
        self.tar.addfile(entry, io.BytesIO(data))

    def dir(self, name, mode=0o755, uid=0, gid=0, **pax):
        self.tar.addfile(self.info(name, tarfile.DIRTYPE, mode, uid, gid, **pax))

    def link(self, name, target, hard=False, uid=0):
        # umoci leaves a hard link's own mode alone and podman does not; tar writes the file's.
        entry = self.info(name, tarfile.LNKTYPE if hard else tarfile.SYMTYPE, 0o644 if hard else 0o777, uid)
        entry.linkname = target
        self.tar.addfile(entry)

    def node(self, name, type, mode=0o644, major=0, minor=0):
        entry = self.info(name, type, mode)
        entry.devmajor, entry.devminor = major, minor
        self.tar.addfile(entry)

    def sparse_pax(self, name, chunks, size):
        """GNU sparse 1.0: the map comes first in the data, in decimal lines padded to a block. (The older kind, tar type
        'S', is refused by umoci and podman, so the image to be compared with theirs has none.)"""
        table = '%d\n' % len(chunks) + ''.join('%d\n%d\n' % (at, len(data)) for at, data in chunks)
        table = table.encode().ljust(-(-len(table) // BLOCK) * BLOCK, b'\0')
        data = table + b''.join(data for _, data in chunks)
        entry = self.info('GNUSparseFile.0/' + name.replace('/', '_'), tarfile.REGTYPE, 0o644, **{
            'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': name,
            'GNU.sparse.realsize': str(size)})
        entry.size = len(data)
        self.tar.addfile(entry, io.BytesIO(data))

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


def capability(permitted):
    """security.capability, VFS_CAP_REVISION_2, effective."""
    return struct.pack('<IIIII', 0x02000001, permitted, 0, 0, 0)


def xattr(name, value):
    # tarfile encodes PAX values as UTF-8 with surrogateescape, so bytes survive this way.
    return {'SCHILY.xattr.' + name: value.decode('utf-8', 'surrogateescape')}


def kinds():
    layer = Layer()
    layer.dir('/')
    for name in ('bin', 'etc', 'usr', 'usr/share', 'home', 'root', 'proc', 'sys', 'dev', 'run', 'var', 'a', 'swap', 'opq',
                 'opq/deep', 'gone-dir', 'gone-dir/sub', 'devs', 'back'):
        layer.dir(name)
    layer.dir('tmp', 0o1777)
    layer.dir('work', 0o2755, 1000, 1000)
    layer.dir('data', 0o750, 1000, 50)
    layer.dir('home/app', 0o700, 1000, 1000)
    with open('/bin/busybox', 'rb') as f:
        layer.file('bin/busybox', f.read(), 0o755)
    for applet in subprocess.check_output(['/bin/busybox', '--list'], text=True).split():
        if applet != 'busybox':
            layer.link('bin/' + applet, 'busybox')
    layer.file('bin/entry', '#!/bin/sh\necho "entry: $*"\nexec "$@"\n', 0o755)
    layer.file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n')
    layer.file('etc/group', 'root:x:0:\napp:x:1000:\nstaff:x:50:app\n')
    layer.file('data/seed', 'from the image\n', 0o640, 1000, 50)

    layer.file('a/one', 'one\n')
    layer.link('a/hard-one', 'a/one', hard=True)
    layer.link('a/hard-two', 'a/one', hard=True)
    layer.link('a/soft', 'one')
    layer.link('a/absolute', '/etc/passwd')
    layer.link('a/dangling', '../../nowhere/at all', uid=1000)
    layer.file('a/empty')
    layer.file('a/big', bytes(range(256)) * 8192, 0o600)
    layer.file('a/setuid', 'x', 0o4755)
    layer.file('a/setgid', 'x', 0o2755)
    layer.file('a/closed', 'x', 0o000)
    layer.file('a/ids', 'x', 0o644, 123456789, 987654321)
    layer.file('a/xattr', 'x', **xattr('user.test', b'value'), **xattr('user.empty', b''),
               **xattr('trusted.test', b'secret'))
    layer.dir('a/xattr-dir', **xattr('user.dir', b'of a directory'))
    layer.file('a/capable', 'x', 0o755, **xattr('security.capability', capability(1 << 10)))
    layer.sparse_pax('a/sparse-pax', [(0, b'head'), (1 << 20, b'x' * 4096), (5 << 20, b'')], 5 << 20)

    layer.node('devs/null', tarfile.CHRTYPE, 0o666, 1, 3)
    layer.node('devs/loop', tarfile.BLKTYPE, 0o660, 7, 0)
    layer.node('devs/fifo', tarfile.FIFOTYPE, 0o600)

    layer.file('ünïcödé/日本語 ☃.txt', 'snow\n')
    layer.file('a/with space', 'x')
    layer.file('a/with\nnewline', 'x')
    layer.file('a/with\\backslash', 'x')
    layer.file('a/-dash', 'x')
    layer.file('a/.wh', 'not a whiteout\n')
    layer.file('long/' + '/'.join(['d' * 100] * 5) + '/' + 'f' * 255, 'far away\n')

    for kind in ('file-to-dir', 'file-to-link', 'file-gone'):
        layer.file('swap/' + kind, 'old\n')
    for kind in ('dir-to-file', 'dir-to-link', 'dir-gone'):
        layer.dir('swap/' + kind)
        layer.file('swap/' + kind + '/inside', 'old\n')
    layer.link('swap/link-to-dir', '../a')
    layer.link('swap/link-to-file', '../a/one')
    layer.file('opq/old', 'old\n')
    layer.file('opq/deep/old', 'old\n')
    layer.file('gone-dir/sub/file', 'old\n')
    layer.file('back/file', 'first\n')
    layer.dir('back/dir')
    layer.file('back/dir/first', 'first\n')
    return layer


def changes():
    layer = Layer()
    layer.file('.wh.gone-dir')
    layer.file('swap/.wh.file-gone')
    layer.file('swap/.wh.dir-gone')
    layer.file('a/.wh.hard-two')
    layer.file('a/.wh.never-was-there')
    layer.dir('swap/file-to-dir')
    layer.file('swap/file-to-dir/inside', 'new\n')
    layer.link('swap/file-to-link', 'dir-to-file')
    layer.file('swap/dir-to-file', 'new\n')
    layer.link('swap/dir-to-link', '../a')
    layer.dir('swap/link-to-dir')
    layer.file('swap/link-to-dir/inside', 'new\n')
    layer.file('swap/link-to-file', 'new\n')
    layer.dir('opq', 0o711)
    layer.file('opq/.wh..wh..opq')
    layer.file('opq/new', 'new\n')
    layer.file('a/hard-one', 'no longer linked\n')
    layer.file('back/.wh.file')
    layer.file('back/.wh.dir')
    layer.dir('data', 0o755, 1000, 1000)
    layer.file('linked/first', 'pair\n')
    layer.link('linked/second', 'linked/first', hard=True)
    layer.file('a/xattr', 'x', **xattr('user.test', b'changed'))
    return layer


def gnu():
    layer = Layer(tarfile.GNU_FORMAT)
    layer.dir('/')
    layer.file('gnu/' + '/'.join(['g' * 90] * 4) + '/' + 'h' * 200, 'gnu\n')
    layer.link('gnu/long-link', 'x' * 300)
    layer.file(b'gnu/not-utf8-\xff\xfe'.decode('utf-8', 'surrogateescape'), 'x')
    layer.file('back/file', 'again\n', 0o600, 1000, 1000)
    layer.dir('back/dir', 0o700)
    layer.file('back/dir/again', 'again\n')
    layer.file('./dot/slash', 'x')
    return layer


CONFIG = {
    'User': 'app',
    'Env': ['PATH=/bin', 'GREETING=hello world', 'EMPTY='],
    'Entrypoint': ['/bin/entry'],
    'Cmd': ['/bin/echo', 'default command'],
    'WorkingDir': '/work',
    'Volumes': {'/data': {}},
    'ExposedPorts': {'8080/tcp': {}},
    'StopSignal': 'SIGQUIT',
    'Labels': {'org.nexcage.test': 'everything', 'with space': 'yes'},
}


def main(layout, arch):
    blobs = os.path.join(layout, 'blobs', 'sha256')
    os.makedirs(blobs)

    def blob(data, media_type, **more):
        hexes = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, hexes), 'wb') as f:
            f.write(data)
        return dict(mediaType=media_type, digest='sha256:' + hexes, size=len(data), **more)

    layers, diff_ids = [], []
    for made, packed in ((kinds(), True), (Layer(), False), (changes(), True), (gnu(), True)):
        plain = made.bytes()
        diff_ids.append('sha256:' + hashlib.sha256(plain).hexdigest())
        layers.append(blob(gzip.compress(plain, 6, mtime=0) if packed else plain,
                           'application/vnd.oci.image.layer.v1.tar' + ('+gzip' if packed else '')))
    config = blob(json.dumps({
        'created': '2023-11-14T22:13:20Z', 'architecture': arch, 'os': 'linux', 'config': CONFIG,
        'rootfs': {'type': 'layers', 'diff_ids': diff_ids}}).encode(), 'application/vnd.oci.image.config.v1+json')
    manifest = blob(json.dumps({
        'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json', 'config': config,
        'layers': layers}).encode(), 'application/vnd.oci.image.manifest.v1+json',
        annotations={'org.opencontainers.image.ref.name': 'latest'})
    with open(os.path.join(layout, 'oci-layout'), 'w') as f:
        f.write('{"imageLayoutVersion": "1.0.0"}')
    with open(os.path.join(layout, 'index.json'), 'w') as f:
        json.dump({'schemaVersion': 2, 'manifests': [manifest]}, f)


if __name__ == '__main__':
    main(*sys.argv[1:])
