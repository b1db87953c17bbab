"""A shop with a memory: pages, a login, an upload, a redirect."""

import http.cookies
import http.server
import os
import time
import urllib.parse

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Shop</title></head>
<body><main><h1>Shop</h1>
</main></body></html>
"""
LOGIN = """<form method="post" action="/login"><label>Name <input name="name"></label>
<label>Password <input type="password" name="password"></label><button>Log in</button></form>"""
UPLOAD = """<form method="post" action="/upload" enctype="multipart/form-data">
<label>Picture <input type="file" name="picture"></label><button>Send</button></form>"""


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, body, status=200, headers=(), kind="text/html; charset=utf-8"):
        data = body.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def name(self):
        cookie = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        return cookie["name"].value if "name" in cookie else None

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/health":
            return self.answer("well", kind="text/plain")
        if path == "/revision":
            return self.answer(os.environ.get("CHIMERA_REVISION", ""), kind="text/plain")
        return self.page(path)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return self.post(urllib.parse.urlsplit(self.path).path, body)

    def page(self, path):
        if path == "/":
            return self.answer(PAGE)
        if path == "/login":
            return self.answer(PAGE.replace("</main>", LOGIN + "</main>"))
        if path == "/upload":
            return self.answer(PAGE.replace("</main>", UPLOAD + "</main>"))
        return self.answer("not here", 404)

    def post(self, path, body):
        if path == "/login":
            name = urllib.parse.parse_qs(body.decode()).get("name", [""])[0]
            return self.answer("", 303, [("Location", "/"), ("Set-Cookie", f"name={name}; HttpOnly")])
        return self.answer("not here", 404)

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
