"""What whoever shares a network with the machine finds out about it, as pieces of Python that run where that somebody is.

Each gets what it is asked for as `given` and leaves an `answer`: in the booted machine beside it (`phone.py`), or in a room of
this computer's (`test_outside.py`).
"""

TCP = """
import errno, resource, select, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
place, ports, wait_s = given
family = socket.AF_INET6 if ":" in place else socket.AF_INET
address = socket.getaddrinfo(place, 1, family, socket.SOCK_STREAM)[0][4]
answer = {"open": [], "refused": []}
for at in range(0, len(ports), 4000):
    asked, poll = {}, select.epoll()
    for port in ports[at : at + 4000]:
        one = socket.socket(family, socket.SOCK_STREAM)
        one.setblocking(False)
        one.connect_ex((address[0], port, *address[2:]))
        asked[one.fileno()] = (one, port)
        poll.register(one, select.EPOLLOUT)
    until = time.monotonic() + wait_s
    while asked and (left := until - time.monotonic()) > 0:
        for number, _ in poll.poll(left):
            one, port = asked.pop(number)
            error = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            poll.unregister(one)
            one.close()
            if error in (0, errno.ECONNREFUSED):
                answer["refused" if error else "open"].append(port)
    for one, _ in asked.values():
        one.close()
    poll.close()
for found in answer.values():
    found.sort()
"""
"""Gets a place, ports, and how long to wait; returns those that take a connection, and those that say no instead of nothing."""

UDP = """
import resource, select, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
place, ports, wait_s = given
family = socket.AF_INET6 if ":" in place else socket.AF_INET
address = socket.getaddrinfo(place, 1, family, socket.SOCK_DGRAM)[0][4]
asks = {
    53: bytes.fromhex("1a2b010000010000000000000378797a076578616d706c6503636f6d0000010001"),
    5353: bytes.fromhex("000000000001000000000000086e696768746a6172056c6f63616c0000ff8001"),
}
asked, poll = {}, select.epoll()
for port in ports:
    one = socket.socket(family, socket.SOCK_DGRAM)
    one.setblocking(False)
    one.connect((address[0], port, *address[2:]))
    one.send(asks.get(port, b"\\0" * 48))
    asked[one.fileno()] = (one, port)
    poll.register(one, select.EPOLLIN)
answer, until = {"answered": [], "refused": []}, time.monotonic() + wait_s
while (left := until - time.monotonic()) > 0:
    for number, _ in poll.poll(left):
        one, port = asked[number]
        poll.unregister(one)
        try:
            answer["answered" if one.recv(4096) else "refused"].append(port)
        except ConnectionRefusedError:
            answer["refused"].append(port)
"""
"""Gets the same; returns those that answer a question, and those that say that nobody is there."""

MDNS = """
import socket, struct, time
def labels(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\\0"
def skip(data, at):
    while data[at]:
        if data[at] >= 192:
            return at + 2
        at += 1 + data[at]
    return at + 1
def addresses(data):
    _, flags, questions, *counts = struct.unpack_from(">6H", data)
    at = 12
    for _ in range(questions):
        at = skip(data, at) + 4
    for _ in range(sum(counts)):
        at = skip(data, at)
        kind, _, _, size = struct.unpack_from(">HHIH", data, at)
        content = data[at + 10 : at + 10 + size]
        at += 10 + size
        if kind in (1, 28):
            yield socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, content)
name, card, wait_s = given
question = struct.pack(">6H", 7, 0, 1, 0, 0, 0) + labels(name) + struct.pack(">HH", 255, 1)
answer, until = [], time.monotonic() + wait_s
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, card.encode())
    asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    asking.settimeout(2)
    while not answer and time.monotonic() < until:
        asking.sendto(question, ("224.0.0.251", 5353))
        try:
            answer = sorted(set(addresses(asking.recv(9000))))
        except TimeoutError:
            pass
"""
"""Gets a name, a network card and how long to ask; returns the addresses that multicast DNS has for it (RFC 6762, 6.7)."""

DNS = """
import socket, struct
server, name = given
labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
question = struct.pack(">6H", 7, 256, 1, 0, 0, 0) + labels + b"\\0" + struct.pack(">HH", 1, 1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.settimeout(30)
    asking.sendto(question, (server, 53))
    answer = socket.inet_ntoa(asking.recv(512)[-4:])
"""
"""Gets a server and a name; returns the address that the server has for it."""

PLAIN = """
import http.client
place, host, path = given
connection = http.client.HTTPConnection(place, 80, timeout=60)
connection.request("GET", path, headers={"Host": host})
said = connection.getresponse()
answer = [said.status, dict(said.getheaders()), said.read().decode()]
connection.close()
"""
"""Gets a place, a name to ask it for and a path; returns status, headers and page of port 80."""

SECURE = """
import base64, http.client, socket, ssl
place, name, authority, method, path, body, headers = given
context = ssl.create_default_context(cadata=authority)
connection = http.client.HTTPSConnection(name, timeout=60)
connection.sock = context.wrap_socket(socket.create_connection((place, 443), timeout=60), server_hostname=name)
connection.request(method, path, base64.b64decode(body) if body is not None else None, headers)
said = connection.getresponse()
answer = [said.status, dict(said.getheaders()), said.headers.get_all("Set-Cookie") or [], base64.b64encode(said.read()).decode()]
connection.close()
"""
"""Gets a place, the name it must prove, the only authority that is believed, and a request; returns what came back."""

CERTIFIED = """
import socket, ssl
place, name, authority = given
with socket.create_connection((place, 443), timeout=60) as plain:
    try:
        ssl.create_default_context(cadata=authority).wrap_socket(plain, server_hostname=name).close()
        answer = True
    except ssl.SSLCertVerificationError:
        answer = False
"""
"""Gets the first three of these; returns whether what answers there proves the name."""
