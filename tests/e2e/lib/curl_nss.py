# SPDX-License-Identifier: Apache-2.0
"""POSTs to a URL with a libcurl that is named: `curl` itself comes with another one.

    curl_nss.py LIBRARY URL
"""

import ctypes
import hashlib
import json
import os
import sys

# curl/curl.h
URL, POSTFIELDS = 10002, 10015
WRITEFUNCTION = 20011
POSTFIELDSIZE, VERIFYPEER, VERIFYHOST = 60, 64, 81
ON_DATA = ctypes.CFUNCTYPE(
    ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p
)


def post(library, url):
    curl = ctypes.CDLL(library)
    curl.curl_easy_init.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(curl.curl_easy_init())
    sha = hashlib.sha256()
    body = b"0123456789abcdef" * 50_000

    def received(data, size, count, _):
        sha.update(ctypes.string_at(data, size * count))
        return size * count

    on_data = ON_DATA(received)
    for option, value in (
        (URL, ctypes.c_char_p(url.encode())),
        (VERIFYPEER, ctypes.c_long(0)),
        (VERIFYHOST, ctypes.c_long(0)),
        (POSTFIELDSIZE, ctypes.c_long(len(body))),
        (POSTFIELDS, ctypes.c_char_p(body)),
        (WRITEFUNCTION, on_data),
    ):
        code = curl.curl_easy_setopt(handle, option, value)
        assert code == 0, (option, code)
    print("ready", os.getpid(), flush=True)
    sys.stdin.readline()
    code = curl.curl_easy_perform(handle)
    assert code == 0, code
    curl.curl_easy_cleanup(handle)
    return {"pid": os.getpid(), "body": sha.hexdigest()}


if __name__ == "__main__":
    print(json.dumps(post(*sys.argv[1:])), flush=True)
