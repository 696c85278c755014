#!/usr/bin/python3
"""A client of the CRI (runtime.v1) for tests: protobuf by hand, since Debian has no crictl.

cri.py SOCKET METHOD JSON [PATH]: the fields of the request by number, a list is a repeated field; prints the field of the answer to
which PATH leads ("1.3": field 3 of the message in field 1), 0 when it is not there.
"""
import json
import sys

import grpc


def varint(n):
    out = bytearray()
    while n > 0x7f:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def encode(message):
    out = b''
    for number, value in message.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, int):
                out += varint(int(number) << 3) + varint(one)
            else:
                data = encode(one) if isinstance(one, dict) else one.encode()
                out += varint(int(number) << 3 | 2) + varint(len(data)) + data
    return out


def read_varint(data, at):
    n = shift = 0
    while True:
        byte = data[at]
        n |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return n, at


def decode(data):
    """Lists of values by number; what is a message, a text or bytes is for the reader to know: all are bytes."""
    fields, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            raise ValueError('wire type %d' % (key & 7))
        fields.setdefault(key >> 3, []).append(value)
    return fields


def main():
    socket, method, request = sys.argv[1:4]
    wanted = [int(n) for n in sys.argv[4].split('.')] if len(sys.argv) > 4 else []
    with grpc.insecure_channel('unix://' + socket) as channel:
        service = 'ImageService' if 'Image' in method else 'RuntimeService'
        call = channel.unary_unary('/runtime.v1.%s/%s' % (service, method))
        try:
            answer = call(encode(json.loads(request)), timeout=30)
        except grpc.RpcError as error:
            sys.exit('%s: %s' % (method, error.details()))
    for n in wanted[:-1]:
        answer = decode(answer).get(n, [b''])[0]
    if wanted:
        value = decode(answer).get(wanted[-1], [0])[0]
        print(value.decode() if isinstance(value, bytes) else value)


main()
