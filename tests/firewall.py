"""Loads the firewall of `deploy` into a network of its own, fills its sets and says what a user's connections become.

`unshare --net python -m tests.firewall UID`, as root. Prints one JSON object: by name "connected" or the error's name.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from instance.exits import Exit, script

RULES = Path(__file__).parent.parent / "deploy" / "konsil.nft"
USER = 'define konsil_user = "konsil"'
_SIBLING, _MAIL, _OTHER = "198.51.100.1", "198.51.100.2", "198.51.100.3"


def load(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text.encode(), check=True)


def listen(host: str, port: int) -> socket.socket:
    made = socket.socket()
    made.bind((host, port))
    made.listen()
    return made


def connect(uid: int, host: str, port: int) -> str:
    """What becomes of a connection by this user."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = "connected"
        try:
            os.setuid(uid)
            with socket.socket() as connecting:
                connecting.settimeout(2)
                connecting.connect((host, port))
        except BaseException as error:
            said = type(error).__name__
        os.write(writing, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as said_by:
        return said_by.read()


def served(uid: int) -> str:
    """Whether a server of this user can answer root, who is the proxy here."""
    listening = listen("127.0.0.1", 8100)
    child = os.fork()
    if child == 0:
        os.setuid(uid)
        listening.accept()[0].sendall(b"hello")
        os._exit(0)
    with socket.create_connection(("127.0.0.1", 8100), timeout=2) as asking:
        said = asking.recv(9).decode()
    os.waitpid(child, 0)
    return said


def main(uid: int) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (_SIBLING, _MAIL, _OTHER):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    open_ports = [listen(_SIBLING, 443), listen(_SIBLING, 80), listen(_MAIL, 587), listen(_MAIL, 443), listen(_OTHER, 443),
                  listen("127.0.0.1", 443), listen(_OTHER, 53)]
    load(RULES.read_text("utf-8").replace(USER, f"define konsil_user = {uid}"))
    found = {"before": connect(uid, _SIBLING, 443)}
    places = (Exit("sibling", "fr.example", 443, "active", True, (_SIBLING,), ""),
              Exit("sibling", "it.example", 443, "active", False, (_OTHER,), "an address that is never contacted"),
              Exit("mail", "mail.example", 587, "", True, (_MAIL,), ""),
              Exit("resolver", _OTHER, 53, "", True, (_OTHER,), ""))
    load(script(places))
    found |= {"sibling": connect(uid, _SIBLING, 443), "sibling at another port": connect(uid, _SIBLING, 80),
              "mail": connect(uid, _MAIL, 587), "mail at another port": connect(uid, _MAIL, 443),
              "resolver": connect(uid, _OTHER, 53), "stranger": connect(uid, _OTHER, 443),
              "loopback": connect(uid, "127.0.0.1", 443), "root": connect(0, _OTHER, 443), "served": served(uid)}
    load(script(places[2:]))
    found["revoked"] = connect(uid, _SIBLING, 443)
    found["counted"] = subprocess.run(["nft", "list", "counter", "inet", "konsil", "refused"], check=True,
                                      capture_output=True, text=True).stdout.split("packets ")[1].split()[0]
    for each in open_ports:
        each.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
