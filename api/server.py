"""The API alone: `python -m api.server`."""

from __future__ import annotations

import argparse
import logging
import sys

import uvicorn

from api.app import Limits, create_app
from api.current import Current
from serving.state import ServerState
from settings import SettingError, training_allowed, trusted_proxies
from sources.download import add_dataset_option, find_local_data
from sources.movielens_files import DataError


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped; the exit status."""
    parser = argparse.ArgumentParser(prog="api.server", description="Serve the API.")
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    add_dataset_option(parser)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        training_allowed()
        if options.dataset:  # a wrong name now, and not in every answer
            find_local_data(dataset=options.dataset)
        app = create_app(Current(ServerState(options.dataset)), Limits())
    except (DataError, SettingError) as error:
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
