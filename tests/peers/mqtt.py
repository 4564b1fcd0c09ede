"""A small MQTT client, so that the comparison and its script need nothing installed."""

import socket
import struct


class Client:
    """As much of MQTT 3.1.1 as a comparison needs."""

    def __init__(self, port, name):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        name = name.encode()
        self.send(0x10, b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(name)) + name)
        next(self.packets())

    def send(self, first, body):
        length, digits = len(body), b""
        while True:
            length, digit = length >> 7, length & 127
            digits += bytes([digit | (128 if length else 0)])
            if not length:
                break
        self.socket.sendall(bytes([first]) + digits + body)

    def subscribe(self, topic, qos):
        topic = topic.encode()
        self.send(0x82, b"\x00\x01" + struct.pack(">H", len(topic)) + topic + bytes([qos]))

    def publish(self, topic, payload, number):
        topic = topic.encode()
        identifier = struct.pack(">H", number % 65535 + 1)
        self.send(0x32, struct.pack(">H", len(topic)) + topic + identifier + payload)

    def packets(self):
        """The packets that come in, until the connection ends: the first byte and the body of each."""
        while True:
            at, length, shift = 1, 0, 0
            while at < len(self.rest):
                length |= (self.rest[at] & 127) << shift
                shift, at = shift + 7, at + 1
                if self.rest[at - 1] < 128:
                    break
            else:
                at = 0
            if at and len(self.rest) >= at + length:
                first, body = self.rest[0], self.rest[at:at + length]
                self.rest = self.rest[at + length:]
                yield first, body
                continue
            try:
                more = self.socket.recv(1 << 16)
            except OSError:
                return
            if not more:
                return
            self.rest += more

    @staticmethod
    def message(first, body):
        """The topic and the payload of a message."""
        length = struct.unpack(">H", body[:2])[0]
        begin = 2 + length + (2 if first & 6 else 0)
        return body[2:2 + length].decode(), body[begin:]

    @staticmethod
    def identifier(body):
        """The packet id of a message of QoS 1."""
        length = struct.unpack(">H", body[:2])[0]
        return body[2 + length:4 + length]
