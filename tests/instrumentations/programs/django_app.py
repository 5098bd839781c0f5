"""Django answers requests that fail, in sync and in async views."""

import asyncio
import sys

import django
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from opentelemetry.instrumentation.django import DjangoInstrumentor

from tests.instrumentations.recording import Recorder

recorder = Recorder()
settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[], SECRET_KEY="none", LOGGING_CONFIG=None, DATABASES={}
)
DjangoInstrumentor().instrument()
django.setup()


def broken(_request: HttpRequest) -> HttpResponse:
    with recorder.application():
        raise ValueError("boom")


def absent(_request: HttpRequest) -> HttpResponse:
    with recorder.application():
        raise Http404("x")


def unavailable(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=503)


async def broken_async(request: HttpRequest) -> HttpResponse:
    return broken(request)


async def absent_async(request: HttpRequest) -> HttpResponse:
    return absent(request)


async def unavailable_async(request: HttpRequest) -> HttpResponse:
    return unavailable(request)


urlpatterns = [
    path("raise", broken),
    path("absent", absent),
    path("503", unavailable),
    path("async/raise", broken_async),
    path("async/absent", absent_async),
    path("async/503", unavailable_async),
]
sys.modules.setdefault("django_app", sys.modules[__name__])

from django.test import AsyncClient, Client  # noqa: E402  needs the settings

sync_client = Client(raise_request_exception=False)
async_client = AsyncClient(raise_request_exception=False)
recorder.play(
    {
        "raise": lambda: sync_client.get("/raise"),
        "Http404": lambda: sync_client.get("/absent"),
        "return 503": lambda: sync_client.get("/503"),
        "async raise": lambda: asyncio.run(async_client.get("/async/raise")),
        "async Http404": lambda: asyncio.run(async_client.get("/async/absent")),
        "async return 503": lambda: asyncio.run(async_client.get("/async/503")),
    }
)
