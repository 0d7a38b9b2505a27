"""The API alone: `python -m api.server`."""

from __future__ import annotations

import argparse
import logging
import sys

import uvicorn

from api.app import Limits, create_app
from api.current import Current
from serving.state import server_state
from settings import SettingError, training_allowed, trusted_proxies


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped; the exit status."""
    parser = argparse.ArgumentParser(prog="api.server", description="Serve the API.")
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        training_allowed()
        app = create_app(Current(server_state()), Limits())
    except SettingError as error:
        print(error, file=sys.stderr)
        return 1
    proxies = list(trusted_proxies())
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        access_log=False,  # it would log queries; api.gates logs what may be logged
        server_header=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
