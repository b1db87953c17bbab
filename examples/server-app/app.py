#!/usr/bin/env python3
"""A small notebook that renders its pages on the server. Standard library only.

    PORT=9000 python3 app.py

Notes live in memory. /health answers once it can serve; /revision tells which commit this is, as far as
CHIMERA_REVISION says.
"""

import html
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

NOTES = ["Buy lamp oil", "Order the atlas", "Feed the cat"]

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def home():
    """The list of notes and the form for a new one."""
    items = "\n".join(f"<li>{html.escape(note)}</li>" for note in NOTES)
    form = (
        '<form action="/notes" method="post"><label for="text">Note</label> '
        '<input id="text" name="text" required> <button>Add</button></form>'
    )
    return PAGE.format(title="Notes", body=f"<ul>\n{items}\n</ul>\n{form}")


class Handler(BaseHTTPRequestHandler):
    """Answers the few paths there are."""

    def do_GET(self):
        """Pages, health and revision."""
        if self.path == "/":
            self.answer(200, home())
        elif self.path == "/health":
            self.answer(200, "ok", "text/plain")
        elif self.path == "/revision":
            self.answer(200, os.environ.get("CHIMERA_REVISION", "unknown"), "text/plain")
        else:
            self.answer(404, PAGE.format(title="Not found", body="<p>There is no such page.</p>"))

    def do_POST(self):
        """A new note."""
        length = min(int(self.headers.get("Content-Length") or 0), 10_000)
        text = parse_qs(self.rfile.read(length).decode("utf-8", "replace")).get("text", [""])[0].strip()
        if self.path == "/notes" and text:
            NOTES.append(text)
        self.send_response(303)
        self.send_header("Location", "/")
        self.end_headers()

    def answer(self, status, text, kind="text/html"):
        """Sends a text."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Quiet."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Handler).serve_forever()
