#!/usr/bin/python3
"""A mail server for tests: STARTTLS required, AUTH required, each mail a file.

Usage: smtp_server.py PORT CERTIFICATE KEY USER PASSWORD FOLDER
"""

import asyncio
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def main():
    port, certificate, key, user, password, folder = sys.argv[1:]
    folder = pathlib.Path(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Keep:
        count = 0

        async def handle_DATA(self, _server, _session, envelope):
            Keep.count += 1
            partial = folder / ("%d.part" % Keep.count)
            partial.write_bytes(envelope.content)
            partial.rename(folder / ("%d.eml" % Keep.count))
            return "250 kept as %d" % Keep.count

    def authenticate(_server, _session, _envelope, _mechanism, login):
        good = (isinstance(login, LoginPassword) and login.login == user.encode()
                and login.password == password.encode())
        # handled=False makes aiosmtpd answer 535 itself; without it a client would wait for ever.
        return AuthResult(success=good, handled=good)

    async def serve():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(Keep(), tls_context=context, require_starttls=True, auth_required=True,
                         authenticator=authenticate, hostname="mail.test"),
            "127.0.0.1", int(port))
        await server.serve_forever()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
