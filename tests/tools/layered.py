#!/usr/bin/python3
"""usage: layered.py LAYOUT [N]

Adds N layers (3) to an OCI image layout, each of which changes and takes away something of those below it.
"""
import hashlib
import io
import os
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ocilayout  # noqa: E402


def layer(number):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w') as tar:
        for name, text in (('srv/%d' % number, str(number)), ('srv/last', str(number)), ('srv/.wh.%d' % (number - 1), ''),
                           ('srv/large-%d' % number, 'x' * (5000 * number))):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return data.getvalue()


def main(layout, count='3'):
    for number in range(int(count)):
        data = layer(number)
        ocilayout.add_layer(layout, 'sha256:' + hashlib.sha256(data).hexdigest(), data, 'application/vnd.oci.image.layer.v1.tar')


if __name__ == '__main__':
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
