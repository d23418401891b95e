"""One HTTP call to the outside world: no database, no redirect, no proxy, bounded in time and size.

Where it may go is decided by the address that is connected to, not by a name that was looked up before: https to any public
address, and to inner ones that an administrator allows; http to this machine only, and only when that is allowed.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from typing import NamedTuple
from urllib.parse import urlsplit

from odoo.tools import LazyTranslate

_lt = LazyTranslate(__name__)

READ_SIZE = 65_536
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Request(NamedTuple):
    """Everything a call needs, so that nothing is read from the database while it lasts."""

    url: str
    body: bytes = b""
    headers: dict = {}
    method: str = "POST"
    timeout: float = 30.0  # seconds for all of it
    limit: int = 1_048_576  # bytes of an answer
    networks: tuple = ()  # inner networks that are allowed


class Response(NamedTuple):
    status: int
    headers: dict  # names in lower case
    body: bytes


class CallError(Exception):
    """A call that came to nothing, in a sentence without data: in English for logs, and for who reads it by `env._`."""

    def __init__(self, sentence, status=None):
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status

    def __str__(self):
        return self.sentence if isinstance(self.sentence, str) else self.sentence._translate("en_US")


class NotSentError(CallError):
    """Nothing of the call has left."""


class UnansweredError(CallError):
    """The call left, at least in part, and no whole answer came."""


def parse_networks(text):
    """The networks of a setting, one a line or separated by commas.

    >>> parse_networks("10.1.0.0/16, 127.0.0.1\\n::1")
    (IPv4Network('10.1.0.0/16'), IPv4Network('127.0.0.1/32'), IPv6Network('::1/128'))
    >>> parse_networks("")
    ()
    >>> parse_networks("everything")
    Traceback (most recent call last):
    ValueError: 'everything' does not appear to be an IPv4 or IPv6 network
    """
    return tuple(ipaddress.ip_network(part.strip()) for part in text.replace(",", "\n").split("\n") if part.strip())


def embedded(address):
    """The address that is meant: IPv4 in the clothes of IPv6 is IPv4.

    >>> embedded(ipaddress.ip_address("::ffff:127.0.0.1")), embedded(ipaddress.ip_address("64:ff9b::a00:1"))
    (IPv4Address('127.0.0.1'), IPv4Address('10.0.0.1'))
    """
    if address.version == 6:
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address in NAT64:
            return ipaddress.ip_address(address.packed[-4:])
    return address


def may_reach(address, scheme, networks=()):
    """Whether an address may be called.

    >>> def may(address, scheme="https", *networks):
    ...     return may_reach(ipaddress.ip_address(address), scheme, tuple(map(ipaddress.ip_network, networks)))
    >>> may("8.8.8.8"), may("10.0.0.1"), may("169.254.169.254"), may("127.0.0.1"), may("::1"), may("224.0.0.1")
    (True, False, False, False, False, False)
    >>> may("10.0.0.1", "https", "10.0.0.0/8"), may("::ffff:10.0.0.1", "https", "10.0.0.0/8")
    (True, True)
    >>> may("127.0.0.1", "http", "127.0.0.0/8"), may("8.8.8.8", "http"), may("10.0.0.1", "http", "10.0.0.0/8")
    (True, False, False)
    """
    address = embedded(address)
    allowed = any(address.version == network.version and address in network for network in networks)
    if scheme == "http":
        return address.is_loopback and allowed
    public = address.is_global and not address.is_multicast and not address.is_reserved
    return scheme == "https" and (public or allowed)


def check_url(url):
    """The parts of an address that can be called at all.

    >>> check_url("https://pay.example.org:8443/batch").hostname
    'pay.example.org'
    >>> check_url("https://user:word@example.org/")
    Traceback (most recent call last):
    ValueError: An address holds no user and password.
    >>> check_url("ftp://example.org/")
    Traceback (most recent call last):
    ValueError: An address begins with https://.
    >>> check_url("https:///x")
    Traceback (most recent call last):
    ValueError: An address names a host.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http"):
        raise ValueError(_lt("An address begins with https://."))
    if not parts.hostname:
        raise ValueError(_lt("An address names a host."))
    if parts.username is not None or parts.password is not None:
        raise ValueError(_lt("An address holds no user and password."))
    if parts.port == 0 or parts.fragment or any(ord(sign) <= 32 or ord(sign) > 126 for sign in url):
        raise ValueError(_lt("An address holds no spaces, and no signs but those of English."))
    return parts


def send(request):
    """Make the call.

    :return Response: also when its status says that something is wrong; a redirect is an answer, and is not followed
    :raise NotSentError: nothing has left
    :raise UnansweredError: it left, and nobody knows what became of it
    """
    deadline = time.monotonic() + request.timeout
    try:
        parts = check_url(request.url)
    except ValueError as error:
        raise NotSentError(*error.args) from None
    connection = _connection(parts, request, deadline)
    expired = threading.Event()

    def give_up():
        expired.set()
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    # A server that sends one byte now and then keeps each single read alive: this ends all of them together.
    clock = threading.Timer(max(deadline - time.monotonic(), 0.0), give_up)
    clock.daemon = True
    clock.start()
    try:
        return _exchange(connection, parts, request)
    except (UnansweredError, OSError, http.client.HTTPException, ValueError) as error:
        if expired.is_set() or isinstance(error, TimeoutError):
            raise UnansweredError(
                _lt("No answer within %(seconds)s seconds.", seconds=f"{request.timeout:g}")
            ) from None
        if isinstance(error, UnansweredError):
            raise
        raise UnansweredError(
            _lt("The connection ended before an answer (%(error)s).", error=type(error).__name__)
        ) from None
    finally:
        clock.cancel()
        connection.close()


def _exchange(connection, parts, request):
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Connection": "close", **request.headers}
    connection.request(request.method, target, body=request.body or None, headers=headers)
    answer = connection.getresponse()
    body = bytearray()
    while part := answer.read(min(READ_SIZE, request.limit + 1 - len(body))):
        body += part
        if len(body) > request.limit:
            raise UnansweredError(
                _lt("The answer is larger than %(limit)s bytes.", limit=f"{request.limit:,}"), answer.status
            )
    if answer.length:
        raise UnansweredError(_lt("The connection ended within the answer."), answer.status)
    return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, bytes(body))


def _connection(parts, request, deadline):
    """A connection to an address that may be reached, ready to be written to."""
    default = 443 if parts.scheme == "https" else 80
    port = parts.port or default
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotSentError(_lt("The name of the host is not known.")) from None
    # One forbidden address is enough to refuse: who answers for the name mixes what is public with what is ours.
    for *_rest, address in found:
        if not may_reach(ipaddress.ip_address(address[0].partition("%")[0]), parts.scheme, request.networks):
            raise NotSentError(
                _lt(
                    "The address is not allowed: only https, and inner networks only where an administrator allows them."
                )
            )
    trouble = _lt("No address.")
    for family, kind, protocol, _name, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(deadline - time.monotonic(), 0.1))
            sock.connect(address)
            if parts.scheme == "https":
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=parts.hostname)
        except ssl.SSLError as error:
            sock.close()
            trouble = _lt("The connection is not safe (%(error)s).", error=error.reason or type(error).__name__)
        except OSError as error:
            sock.close()
            trouble = _lt("The host can't be reached (%(error)s).", error=type(error).__name__)
        else:
            # http.client only writes and reads: the socket is the one that was checked.
            connection = http.client.HTTPConnection(parts.hostname, port, timeout=request.timeout)
            connection.default_port = default
            connection.sock = sock
            connection.auto_open = 0
            return connection
    raise NotSentError(trouble)
