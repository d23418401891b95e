import ipaddress
import socket
import time
from unittest.mock import patch

from odoo.tests import BaseCase, tagged

from ..tools import transport
from .common import Remote

HERE = (ipaddress.ip_network("127.0.0.1/32"),)


@tagged("post_install", "-at_install")
class TestTransport(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.remote = Remote()
        cls.addClassCleanup(cls.remote.stop)

    def call(self, behaviour="ok", **options):
        self.remote.plan(send=[behaviour])
        return transport.send(self.request(**options))

    def request(self, **options):
        given = {"url": f"{self.remote.url}/batches", "networks": HERE, "timeout": 1.0, **options}
        return transport.Request(headers={"Idempotency-Key": "k"}, **given)

    def test_an_answer_is_read(self):
        response = self.call()
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["content-type"], "application/json")
        self.assertIn(b'"done"', response.body)

    def test_what_was_not_taken_is_an_answer_too(self):
        self.assertEqual(self.call("busy").status, 429)
        self.assertEqual(self.call("fail_after").status, 500)

    def test_a_redirect_is_not_followed(self):
        self.assertEqual(self.call("redirect").status, 302)
        self.assertEqual(len(self.remote.calls), 1)

    def test_an_answer_that_comes_twice_is_read_once(self):
        self.assertEqual(self.call("twice").status, 200)

    def test_nobody_knows_what_became_of_a_call_without_a_whole_answer(self):
        for behaviour in ("drop_before", "drop_after", "garbage", "half", "hang_after", "drip"):
            with self.subTest(behaviour), self.assertRaises(transport.UnansweredError) as caught:
                self.call(behaviour)
            self.assertNotIn("Kamala", str(caught.exception))

    def test_time_is_bounded_however_slowly_it_comes(self):
        for behaviour in ("hang_after", "drip"):
            started = time.monotonic()
            with self.subTest(behaviour), self.assertRaisesRegex(transport.UnansweredError, "within 1 seconds"):
                self.call(behaviour)
            self.assertLess(time.monotonic() - started, 10)

    def test_size_is_bounded(self):
        with self.assertRaisesRegex(transport.UnansweredError, "larger than 65,536 bytes"):
            self.call("large", limit=65_536)

    def test_nothing_has_left_when_nobody_listens(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with self.assertRaisesRegex(transport.NotSentError, "can't be reached"):
                self.call(url=f"http://127.0.0.1:{unused.getsockname()[1]}/")

    def test_what_listens_there_but_speaks_no_tls_gets_nothing(self):
        with self.assertRaisesRegex(transport.NotSentError, "not safe|can't be reached"):
            self.call(url=self.remote.url.replace("http:", "https:") + "/batches")
        self.assertFalse(self.remote.effects)

    def test_inner_addresses_are_not_called(self):
        port = self.remote.url.rsplit(":", 1)[1]
        for url in (
            f"http://127.0.0.1:{port}/batches",
            f"https://127.0.0.1:{port}/batches",
            f"https://[::ffff:127.0.0.1]:{port}/batches",
            f"https://2130706433:{port}/batches",
            f"https://0x7f.1:{port}/batches",
            f"https://localhost:{port}/batches",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://[fd00::1]/",
            "https://0.0.0.0/",
        ):
            with self.subTest(url), self.assertRaisesRegex(transport.NotSentError, "not allowed|not known"):
                self.call(url=url, networks=())
        self.assertFalse(self.remote.calls)

    def test_it_goes_by_the_address_that_is_called_not_by_the_name(self):
        """A name that means something public when it is looked up first, and this machine afterwards."""
        answers = iter(["93.184.216.34", "127.0.0.1"])
        port = int(self.remote.url.rsplit(":", 1)[1])

        def resolve(host, asked, **options):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), asked))]

        connected = []
        with (
            patch.object(transport.socket, "getaddrinfo", resolve),
            patch.object(transport.socket.socket, "connect", lambda sock, address: connected.append(address) or 1 / 0),
            self.assertRaises(ZeroDivisionError),
        ):
            transport.send(self.request(url=f"https://bank.example:{port}/", networks=()))
        self.assertEqual(connected, [("93.184.216.34", port)])
        self.assertEqual(next(answers), "127.0.0.1", "looked up once")

    def test_a_name_that_means_inner_and_public_is_not_called(self):
        both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("93.184.216.34", "10.0.0.1")]
        with (
            patch.object(transport.socket, "getaddrinfo", lambda *args, **options: both),
            self.assertRaisesRegex(transport.NotSentError, "not allowed"),
        ):
            transport.send(self.request(url="https://bank.example/", networks=()))
