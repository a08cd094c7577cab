"""What a pod finds around itself, in its network: the broker's ports, the collector's HTTP, the database.

Arguments: a JSON mapping with `tcp` (ports that accept and hang up), `http` (port, and answers by path),
`forward` (port to the path of a unix socket), and `no_such_name` (whether a name server says so to every
question). Prints a line once all of them listen.
"""

import asyncio
import fcntl
import json
import socket
import struct
import sys

_SIOCSIFFLAGS, _IFF_UP_RUNNING = 0x8914, 0x41


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP_RUNNING))


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def answering(answers: dict[str, list]):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        status, body = answers.get(request.split()[1].decode(), [404, {}])
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        writer.close()

    return answer


def forwarding(path: str):
    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer), return_exceptions=True)

    return forward


class NoSuchName(asyncio.DatagramProtocol):
    """A name server that knows no name (RFC 1035, 4.1.1: response code 3)."""

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, question: bytes, address: tuple) -> None:
        self.transport.sendto(question[:2] + b"\x81\x83" + question[4:], address)


async def main(wanted: dict) -> None:
    raise_loopback()
    for port in wanted["tcp"]:
        await asyncio.start_server(hang_up, "127.0.0.1", port)
    if wanted["http"]:
        await asyncio.start_server(answering(wanted["http"]["answers"]), "127.0.0.1", wanted["http"]["port"])
    for port, path in wanted["forward"].items():
        await asyncio.start_server(forwarding(path), "127.0.0.1", int(port))
    if wanted["no_such_name"]:
        await asyncio.get_running_loop().create_datagram_endpoint(NoSuchName, ("127.0.0.1", 53))
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


asyncio.run(main(json.loads(sys.argv[1])))
