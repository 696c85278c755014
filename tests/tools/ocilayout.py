"""Reading and rewriting small OCI layouts with one image, for the tests: every digest on the way is made right again."""
import hashlib
import json
import os


def blob_path(layout, digest):
    return os.path.join(layout, 'blobs', *digest.split(':'))


def put_blob(layout, data):
    """Writes a blob and returns its digest and size."""
    digest = 'sha256:' + hashlib.sha256(data).hexdigest()
    os.makedirs(os.path.join(layout, 'blobs', 'sha256'), exist_ok=True)
    with open(blob_path(layout, digest), 'wb') as f:
        f.write(data)
    return {'digest': digest, 'size': len(data)}


def load(layout):
    """(index, manifest, config) as objects."""
    with open(os.path.join(layout, 'index.json')) as f:
        index = json.load(f)
    with open(blob_path(layout, index['manifests'][0]['digest'])) as f:
        manifest = json.load(f)
    with open(blob_path(layout, manifest['config']['digest'])) as f:
        config = json.load(f)
    return index, manifest, config


def store(layout, index, manifest):
    index['manifests'][0].update(put_blob(layout, json.dumps(manifest).encode()))
    with open(os.path.join(layout, 'index.json'), 'w') as f:
        json.dump(index, f)
    with open(os.path.join(layout, 'oci-layout'), 'w') as f:
        f.write('{"imageLayoutVersion": "1.0.0"}')


def edit_manifest(layout, change):
    index, manifest, _ = load(layout)
    change(manifest)
    store(layout, index, manifest)


def edit(layout, code):
    """Runs python statements on the manifest `m` and the configuration `c`."""
    index, manifest, config = load(layout)
    before = json.dumps(config)
    exec(code, {'m': manifest, 'c': config})
    if json.dumps(config) != before:
        manifest['config'].update(put_blob(layout, json.dumps(config).encode()))
    store(layout, index, manifest)


def layer(layout, number):
    """The path of a layer's blob."""
    _, manifest, _ = load(layout)
    return blob_path(layout, manifest['layers'][number]['digest'])


def add_layer(layout, plain, packed, media_type):
    """Appends a layer: the compressed bytes, and the digest of the plain ones."""
    index, manifest, config = load(layout)
    manifest['layers'].append(dict(mediaType=media_type, **put_blob(layout, packed)))
    config['rootfs']['diff_ids'].append(plain)
    config.pop('history', None)
    manifest['config'].update(put_blob(layout, json.dumps(config).encode()))
    store(layout, index, manifest)
