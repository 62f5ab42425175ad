"""Port 80 inside the machine's own Wi-Fi network: one page that says where the panel is, whatever was asked for.

A phone that has joined asks some address on the internet over HTTP, and shows what comes back in a window of its own. That
window refuses our certificate, so the page sends people into their browser. It holds no form and takes nothing.
"""

import html

from appliance.domain.network import OwnPoint

PAIRS_A_LINE = 8


def welcome(point: OwnPoint, fingerprint: str) -> str:
    """Return the page.

    Parameters
    ----------
    fingerprint : str
        SHA-256 of the device's certificate authority, in pairs with colons between them.
    """
    url, pairs = html.escape(f"https://{point.address}"), fingerprint.split(":")
    lines = "\n".join(":".join(pairs[i : i + PAIRS_A_LINE]) for i in range(0, len(pairs), PAIRS_A_LINE))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Nightjar</title></head><body>
<h1>Nightjar, the all-sky camera</h1>
<p>You are in its own Wi-Fi network. Open your browser and go to its panel:</p>
<p><strong><a href="{url}">{url}</a></strong></p>
<p>If this is a small window that the phone has opened by itself, close it; stay in this network, although it has no internet.</p>
<p>The browser warns until it knows the authority that has issued the camera's certificate.
SHA-256 of it, to be compared with the camera's screen or SETUP.TXT:</p>
<pre>{html.escape(lines)}</pre>
</body></html>
"""
