"""`python -m tests.sdks.client NAME URL KEY COUNT SECONDS`: COUNT events by a Python SDK, as its maker publishes it.

Spread over SECONDS. Exits with 1 where the SDK reports that it gave anything up.
"""

import sys
import time
from typing import Any


def client(name: str, **how: Any) -> Any:
    if name == "segment-analytics-python":
        from segment.analytics.client import Client
    elif name == "analytics-python":
        from analytics.client import Client
    elif name == "rudder-sdk-python":
        from rudder_analytics.client import Client
    else:
        raise SystemExit(f"no such SDK: {name}")
    return Client(**how)


def main(name: str, url: str, key: str, count: int, seconds: float) -> int:
    given_up: list[object] = []
    sdk = client(name, write_key=key, host=url, on_error=lambda error, events: given_up.append((error, len(events))))
    for number in range(count):
        sdk.track(user_id=f"{name}-{number}", event="Demo Watched", properties={"number": number})
        time.sleep(seconds / count)
    sdk.flush()
    sdk.join()
    for what in given_up:
        print(what, file=sys.stderr)
    return 1 if given_up else 0


if __name__ == "__main__":
    name, url, key, count, seconds = sys.argv[1:]
    sys.exit(main(name, url, key, int(count), float(seconds)))
