"""Known vulnerabilities of the versions in constraints.txt, by pip-audit: `make audit`.

Ends with 1 where there are any. Where the database cannot be reached within seconds, or knows none
of the packages, it says so and ends with 0: no build depends on another server.
"""

from __future__ import annotations

import json
import subprocess
import sys

from settings import PROJECT_DIR

SECONDS = 20
_COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--timeout", "5"),
    *("--format", "json", "--progress-spinner", "off", "-r", "constraints.txt"),
)


def main() -> int:
    """Ask, print and return the exit status."""
    try:
        asked = subprocess.run(
            _COMMAND, cwd=PROJECT_DIR, capture_output=True, encoding="utf-8", timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return _skip(f"no answer within {SECONDS} s")
    return told(asked.stdout, asked.stderr)


def told(answer: str, errors: str) -> int:
    """Print what pip-audit found; the exit status.

    Args:
        answer: its JSON, or nothing.
        errors: what it wrote beside.
    """
    try:
        packages = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return _skip((errors.strip().splitlines() or ["no answer"])[-1])
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        return _skip("the database knows none of the packages")
    found = [package for package in known if package["vulns"]]
    for package in found:
        for each in package["vulns"]:
            fixed = ", ".join(each.get("fix_versions", ())) or "no version yet"
            print(f"{package['name']} {package['version']}: {each['id']}, mended in {fixed}")
    print(f"{len(known)} packages looked up, {len(found)} with known vulnerabilities.")
    if len(known) < len(packages):
        print(f"Not in the database: {len(packages) - len(known)}.")
    return 1 if found else 0


def _skip(why: str) -> int:
    print(f"No look for known vulnerabilities: {why}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
