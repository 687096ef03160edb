"""An https server that notes what is posted to it, for the tests of the heartbeat.

Prints its address, the file of the authority that vouches for it, and then, once its input is closed, a line for each
POST: the path, a space, the body. `/redirect…` sends elsewhere, `/broken…` answers 500, `/hang-up…` closes
the connection, `/silent…` never answers.
"""

import http.server
import ssl
import sys
import tempfile
import threading

import trustme

heard = []


class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        heard.append(f"{self.path} {body}")
        if self.path.startswith("/hang-up"):
            self.close_connection = True
            return
        if self.path.startswith("/silent"):
            threading.Event().wait()  # a daemon's thread: it goes when the program does
        if self.path.startswith("/redirect"):
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
        else:
            self.send_response(500 if self.path.startswith("/broken") else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


authority = trustme.CA()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
with tempfile.NamedTemporaryFile(suffix=".pem") as vouches:
    authority.cert_pem.write_to_path(vouches.name)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"https://localhost:{server.server_address[1]}", vouches.name, sep="\n", flush=True)
    sys.stdin.read()
    for line in heard:
        print(line)
