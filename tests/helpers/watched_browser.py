"""What a browser says and asks for while a page is open."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Watched:
    """What a browser said and asked for since the test began."""

    browser: Any

    def complaints(self):
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def requested(self):
        """Addresses that were asked for, but for what is in the page itself and what its policy stopped."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        urls = {e["params"]["requestId"]: e["params"]["request"]["url"] for e in events if _is(e, "requestWillBeSent")}
        for event in events:
            if _is(event, "loadingFailed") and event["params"].get("blockedReason") == "csp":
                del urls[event["params"]["requestId"]]
        return {url for url in urls.values() if not url.startswith(("data:", "about:"))}


def _is(event, name):
    return event["method"] == f"Network.{name}"
