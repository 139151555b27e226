"""What arrives by mail and in Slack, each spoken to as it is in service, on loopback."""

import email.policy
import json
import re
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage

import pytest
from pytest_httpserver import HTTPServer

from pipelines.notify import send

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

TITLE = "Headwaters 29: source late: hud_pit"
BODY = "Source: hud_pit\nRule: freshness: something new within 366 days\nLast good release: 7, published 2026-11-25\n"


class Mailbox(socketserver.TCPServer):
    """A mail server that takes everything: the few words of RFC 5321 that a sender needs."""

    allow_reuse_address = True

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.people: list[str] = []
        super().__init__(("127.0.0.1", 0), _Conversation)


class _Conversation(socketserver.StreamRequestHandler):
    server: Mailbox

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self._say("220 loopback")
        while line := self.rfile.readline().decode().strip():
            match line.split(" ")[0].upper():
                case "DATA":
                    self._say("354 go on")
                    body = b"".join(iter(self.rfile.readline, b".\r\n"))
                    self.server.taken.append(message_from_bytes(body, _class=EmailMessage, policy=email.policy.default))
                    self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case "RCPT":
                    self.server.people.append(line)
                    self._say("250 known")
                case _:
                    self._say("250 well")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_alert_by_mail_has_its_title_as_subject_and_its_lines_as_text(mailbox: Mailbox):
    port = mailbox.server_address[1]
    address = f"mailto://127.0.0.1:{port}?from=headwaters@fund.example&to=data@fund.example"
    assert send(TITLE, BODY, [address]).taken == 1
    (mail,) = mailbox.taken
    assert mail["Subject"] == TITLE
    assert "headwaters@fund.example" in mail["From"]
    assert mail["To"] == "data@fund.example"
    assert [line for line in mailbox.people if "data@fund.example" in line]
    text = mail.get_body(("plain",))
    assert text is not None
    assert [line.strip() for line in text.get_content().splitlines() if line.strip()] == BODY.splitlines()


def test_an_alert_in_slack_has_the_lines_of_the_message(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch):
    from apprise.plugins.slack import NotifySlack

    monkeypatch.setattr(NotifySlack, "webhook_url", httpserver.url_for("/services").rstrip("/"))
    httpserver.expect_request(re.compile("/services/.*"), method="POST").respond_with_data("ok")
    assert send(TITLE, BODY, ["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts"]).taken == 1
    ((asked, _),) = httpserver.log
    assert asked.path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    said = json.dumps(json.loads(asked.get_data()), ensure_ascii=False)
    assert TITLE in said
    assert all(line in said for line in BODY.splitlines())
    assert json.loads(asked.get_data())["channel"] == "#alerts"
