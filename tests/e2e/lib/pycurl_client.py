# SPDX-License-Identifier: Apache-2.0
"""pycurl_client.py CERT: gets the URLs that it reads, one line of them, with pycurl.

Prints "ready PID" when the library is loaded; reports the bodies' hashes.
"""

import hashlib
import io
import json
import os
import sys

import pycurl


def get(url):
    body = io.BytesIO()
    handle = pycurl.Curl()
    for option, value in {
        pycurl.URL: url,
        pycurl.CAINFO: sys.argv[1],
        pycurl.NOPROXY: "*",
        pycurl.WRITEDATA: body,
    }.items():
        handle.setopt(option, value)
    handle.perform()
    handle.close()
    return hashlib.sha256(body.getvalue()).hexdigest()


if __name__ == "__main__":
    print("ready", os.getpid(), flush=True)
    bodies = [get(url) for url in sys.stdin.readline().split()]
    print(json.dumps({"pid": os.getpid(), "bodies": bodies}), flush=True)
