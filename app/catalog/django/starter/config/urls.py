"""Addresses."""

from django.http import HttpResponse
from django.urls import path

from visits.views import home

urlpatterns = [
    path("", home),
    path("healthz", lambda request: HttpResponse("ok")),
]
