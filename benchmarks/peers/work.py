"""One worker process of a peer: python -m benchmarks.peers.work PEER DSN default|tuned."""

from __future__ import annotations

import sys

from .peer import load


def main() -> None:
    name, dsn, settings = sys.argv[1:]
    peer = load(name)(dsn, settings == "tuned")
    print('{"ready": true}', flush=True)
    sys.stdin.readline()
    peer.work()


if __name__ == "__main__":
    main()
