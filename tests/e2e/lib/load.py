# SPDX-License-Identifier: Apache-2.0
"""A client out of Python's own library: http.client over connections that are kept alive.

    load.py CERT PORT COUNT METHOD...

Prints "ready PID", waits for a line, makes COUNT requests, the methods and sizes in turn, on a few
connections at once.
"""

import http.client
import json
import os
import ssl
import sys
import threading

SIZES = (0, 1, 4095, 16385, 100_000)
CONNECTIONS = 4


def ask(context, port, numbers, methods):
    client = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)
    for number in numbers:
        method = methods[number % len(methods)]
        data = os.urandom(1 + number * 37 % 30000) if method == "POST" else None
        client.request(method, f"/{SIZES[number % len(SIZES)]}?python={number}", data)
        client.getresponse().read()
    client.close()


def main(cert, port, count, *methods):
    context = ssl.create_default_context(cafile=cert)
    print("ready", os.getpid(), flush=True)
    sys.stdin.readline()
    parts = [range(first, int(count), CONNECTIONS) for first in range(CONNECTIONS)]
    threads = [
        threading.Thread(target=ask, args=(context, int(port), part, methods)) for part in parts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
    print(json.dumps({"pid": os.getpid()}), flush=True)
