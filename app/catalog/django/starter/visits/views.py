"""Pages."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .models import Visit

STORES = {"postgresql": "PostgreSQL", "mysql": "MariaDB", "sqlite": "memory"}


def home(request: HttpRequest) -> HttpResponse:
    """Counts one visit and shows how many there were."""
    Visit.objects.create()
    return render(request, "home.html", {"visits": Visit.objects.count(), "store": STORES[connection.vendor]})
