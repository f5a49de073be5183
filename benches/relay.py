"""A relay before a server that delays what it passes on, as a slow network does, and counts round trips."""

import queue
import socket
import threading
import time
import urllib.parse


class Relay:
    """Relays to the server of a URI, over TCP and without TLS. `uri` is the server's URI through the relay."""

    def __init__(self, uri, delay_seconds):
        parts = urllib.parse.urlsplit(uri)
        self.server = (parts.hostname, parts.port or 5432)
        self.delay_seconds = delay_seconds
        self.trips = 0
        self.lock = threading.Lock()
        listener = socket.create_server(("127.0.0.1", 0))
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        place = f"{user}127.0.0.1:{listener.getsockname()[1]}"
        self.uri = urllib.parse.urlunsplit(parts._replace(netloc=place, query="sslmode=disable"))
        self.start(self.accept, listener)

    def accept(self, listener):
        while True:
            client, _ = listener.accept()
            self.start(self.connect, client)

    def connect(self, client):
        # The handshake of TCP is a round trip, too.
        time.sleep(2 * self.delay_seconds)
        server = socket.create_connection(self.server)
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        last = {"is_client": False}
        self.start(self.read, client, server, last, True)
        self.start(self.read, server, client, last, False)

    def read(self, source, sink, last, is_client):
        waiting = queue.Queue()
        self.start(self.write, sink, waiting)
        while data := self.received(source):
            with self.lock:
                self.trips += last["is_client"] and not is_client
                last["is_client"] = is_client
            waiting.put((time.monotonic() + self.delay_seconds, data))
        waiting.put((0, b""))

    def write(self, sink, waiting):
        while True:
            due, data = waiting.get()
            time.sleep(max(0, due - time.monotonic()))
            try:
                sink.sendall(data) if data else sink.shutdown(socket.SHUT_WR)
            except OSError:
                return
            if not data:
                return

    @staticmethod
    def received(source):
        try:
            return source.recv(1 << 16)
        except OSError:
            return b""

    @staticmethod
    def start(function, *arguments):
        threading.Thread(target=function, args=arguments, daemon=True).start()
