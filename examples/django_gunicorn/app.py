"""A Django project in one file: a basket in a database without its table, and a page that does not exist."""

from __future__ import annotations

import sqlite3

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from opentelemetry import trace
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor

provider = TracerProvider(sampler=ErrorAwareSampler(0))  # of healthy traces none, of errors all
provider.add_span_processor(ErrorSpanProcessor())
trace.set_tracer_provider(provider)

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="an example", DATABASES={})
DjangoInstrumentor().instrument()


def page(request: HttpRequest, name: str) -> HttpResponse:
    if name != "start":
        raise Http404(name)  # which the instrumentation reports as an error, and which is none
    return HttpResponse("welcome")


def basket(request: HttpRequest, number: int) -> HttpResponse:
    database = sqlite3.connect(":memory:")
    return HttpResponse(database.execute("SELECT price FROM baskets WHERE number = ?", (number,)).fetchone())


urlpatterns = [path("page/<name>", page), path("basket/<int:number>", basket)]
application = get_wsgi_application()
