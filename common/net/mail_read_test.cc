#include "common/net/mail_read.h"

#include <doctest/doctest.h>

namespace tocsin::net {
namespace {

TEST_CASE("a plain answer") {
  const ReceivedMail mail = read_mail(
      "Return-Path: <ada@example.org>\r\nFrom: \"L., Ada\" <Ada@Example.org>\r\n"
      "Subject: Re: Disk\r\nIn-Reply-To: <k.ack-AB_c@host>\r\nReferences: <a@b>\r\n\t<k@host>\r\n"
      "\r\nack 2h\r\n> quoted\r\n");
  CHECK(mail.from == "ada@example.org");
  CHECK(mail.in_reply_to == "<k.ack-AB_c@host>");
  CHECK(mail.references == "<a@b> <k@host>");
  CHECK(mail.text.starts_with("ack 2h"));
  CHECK_FALSE(mail.automatic);
}

TEST_CASE("parts and encodings") {
  CHECK(read_mail(
            "From: a@b.c\nContent-Type: multipart/mixed; boundary=\"x\"\n\n--x\n"
            "Content-Type: multipart/alternative; boundary=y\n\n--y\nContent-Type: text/html"
            "\n\n<p>no</p>\n--y\nContent-Type: text/plain; charset=utf-8\n"
            "Content-Transfer-Encoding: quoted-printable\n\nack =\n2h =C3=A9 =zz\n--y--\n--x--\n")
            .text == "ack 2h \xC3\xA9 =zz\n");
  CHECK(read_mail("Content-Transfer-Encoding: base64\n\nYWNr\nIDJo\n").text == "ack 2h");
  CHECK(read_mail("Content-Type: text/html\n\n<p>x</p>").text.empty());
  CHECK(read_mail("Content-Type: multipart/mixed\n\n--x").text.empty());
}

TEST_CASE("who wrote it: nobody, or one address without doubt") {
  CHECK(read_mail("From: a@b.c, d@e.f\n\n").from.empty());
  CHECK(read_mail("From: a@b.c\nFrom: d@e.f\n\n").from.empty());
  CHECK(read_mail("From: A <a@b.c> B <d@e.f>\n\n").from.empty());
  CHECK(read_mail("From: nobody\n\n").from.empty());
  CHECK(read_mail("\n\n").from.empty());
  CHECK(read_mail("From: a@b.c\nAuto-Submitted: auto-replied\n\nack").automatic);
  CHECK(read_mail("From: a@b.c\nPrecedence: bulk\n\nack").automatic);
  CHECK(read_mail("From: a@b.c\nReturn-Path: <>\n\nack").automatic);
  CHECK_FALSE(read_mail("From: a@b.c\nAuto-Submitted: no\n\nack").automatic);
}

}  // namespace
}  // namespace tocsin::net
