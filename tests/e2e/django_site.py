"""A small real Django: a log-in with its CSRF check, a session, and a page that only those inside may see.

Usage: django_site.py PORT USER PASSWORD     behind a proxy that says X-Forwarded-Proto: https
"""

import sys
from wsgiref import simple_server

import django
from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import path

FORM = """<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="%s">
<input name="username"><input name="password" type="password"></form>"""

port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
settings.configure(
    SECRET_KEY="not a secret", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    SESSION_COOKIE_SECURE=True, CSRF_COOKIE_SECURE=True,
    # Over TLS Django wants the Referer, too.
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
django.setup()


def login(request):
    if request.method == "POST":
        if (request.POST["username"], request.POST["password"]) != (user, password):
            return HttpResponse("wrong user or password", status=401)
        request.session["user"] = user
        return HttpResponseRedirect("/grades/")
    return HttpResponse(FORM % get_token(request))


def grades(request):
    if "user" not in request.session:
        return HttpResponseRedirect("/login/")
    return HttpResponse("Grades of %s" % request.session["user"])


urlpatterns = [path("login/", login), path("grades/", grades)]


class Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    from django.core.wsgi import get_wsgi_application

    simple_server.make_server("127.0.0.1", port, get_wsgi_application(), handler_class=Quiet).serve_forever()
